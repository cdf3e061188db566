import Testing

@testable import Sandbox

@Suite struct SeededRandomTests {
    @Test func `seed, stream and number each change the draws, and nothing else does`() {
        let draw = { (seed: UInt64, stream: String, number: Int) in
            var random = SeededRandom(seed: seed, stream: stream, number: number)
            return random.next()
        }
        #expect(draw(1, "a", 1) == draw(1, "a", 1))
        #expect(Set([draw(1, "a", 1), draw(2, "a", 1), draw(1, "b", 1), draw(1, "a", 2)]).count == 4)
    }

    @Test(arguments: [UInt64(0), 1, .max]) func `ids have the provider's form and do not repeat`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed, stream: "ids")
        let ids = (0..<1000).map { _ in random.uuid() }
        let form = /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/
        for id in ids { #expect(try form.wholeMatch(in: id) != nil, "\(id), seed \(seed)") }
        #expect(Set(ids).count == 1000)
        #expect(random.hex(count: 24).count == 24)
        #expect(random.digits(count: 19).allSatisfy { ("1"..."9").contains($0) })
    }

    @Test(arguments: [UInt64(1), 7, 42]) func `normal draws are centred and clamped to three deviations`(seed: UInt64) {
        var random = SeededRandom(seed: seed, stream: "deviates")
        let draws = (0..<20_000).map { _ in random.deviate() }
        let mean = draws.reduce(0, +) / 20_000
        let variance = draws.reduce(0) { $0 + $1 * $1 } / 20_000
        #expect(abs(mean) < 0.03 && abs(variance - 1) < 0.05, "seed \(seed)")
        #expect(draws.allSatisfy { abs($0) <= 3 })
    }
}
