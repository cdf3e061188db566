import PollingPolicy
import Randomness
import TaskModel
import TaskTesting
import Testing

@Suite struct DurationModelTextTests {
    @Test(arguments: DurationModelTests.seeds, [0, 1, 60])
    func `an encoded model is decoded unchanged`(seed: UInt64, samples: Int) {
        let model = DurationModelTests.model(seed: seed, samples: samples)
        #expect(DurationModel(decoding: model.encoded()) == model)
        let own = DurationModel(prior: model)
        #expect(DurationModel(decoding: own.encoded()) == own)
        #expect(model.encoded().utf8.count < 4_000)
    }

    @Test(arguments: ["", "1", "1;;;", "2;1;;", ";;;;;", "1;nan;;", "hello"])
    func `an invalid text gives no model`(text: String) {
        #expect(DurationModel(decoding: text) == nil)
    }

    @Test func `a truncated text is rejected, and a damaged one is rejected or gives a finite hazard`() {
        let text = DurationModelTests.model(seed: 7).encoded()
        for length in stride(from: 0, to: text.lastIndex(of: ";")?.utf16Offset(in: text) ?? 0, by: 3) {
            #expect(DurationModel(decoding: String(text.prefix(length))) == nil)
        }
        var random = SeededRandom(seed: 3)
        var survivors = 0
        for _ in 0..<2_000 {
            var bytes = Array(text.utf8)
            bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 32..<127, using: &random)
            guard let model = DurationModel(decoding: String(decoding: bytes, as: UTF8.self)) else { continue }
            survivors += 1
            for age in [0, 3, 60, 100_000] {
                let hazard = model.hazard(at: .seconds(age))
                #expect(hazard.isFinite && hazard > 0)
            }
        }
        // A changed digit is a valid number.
        #expect(survivors > 100)
    }
}
