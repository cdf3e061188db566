@testable import PollingPolicy
import Randomness
import TaskModel
import TaskTesting
import Testing

@Suite struct DurationModelTests {
    static let seeds: [UInt64] = [1, 7, 42]

    /// A model that has learned random samples of every kind.
    static func model(seed: UInt64, samples: Int = 60) -> DurationModel {
        var random = SeededRandom(seed: seed)
        var model = DurationModel(
            typical: .milliseconds(Int.random(in: 1...1_000_000, using: &random)),
            upper: Bool.random(using: &random) ? .seconds(900) : nil)
        for _ in 0..<samples {
            let low = Duration.milliseconds(Int.random(in: 0...400_000, using: &random))
            switch Int.random(in: 0..<6, using: &random) {
            case 0: model.learn(.censored(at: low))
            case 1: model.learn(.interval(after: low, by: low * 3, succeeded: false))
            case 2: model.learn(.interval(after: low, by: low + .seconds(1), succeeded: true))
            case 3: model.learn(.exact(low / 1_000, succeeded: false))
            default: model.learn(.exact(low, succeeded: true))
            }
        }
        return model
    }

    /// A model of tasks that take a minute, within a tenth.
    static func steady(_ samples: Int, seconds: Int = 60) -> DurationModel {
        var model = DurationModel(typical: .seconds(60))
        for sample in 0..<samples {
            model.learn(.exact(.milliseconds(seconds * (900 + sample * 37 % 200)), succeeded: true))
        }
        return model
    }

    @Test(arguments: seeds, [0, 1, 60])
    func `the hazard is finite and never zero at any age`(seed: UInt64, samples: Int) {
        let model = Self.model(seed: seed, samples: samples)
        for age in [0] + (0...40).map({ 1 << $0 }) {
            let hazard = model.hazard(at: .milliseconds(age))
            #expect(hazard.isFinite && hazard > 0 && hazard < 1_000, "\(age) ms: \(hazard)")
        }
    }

    @Test(arguments: seeds, [0, 1, 60])
    func `the survival function falls from one to zero`(seed: UInt64, samples: Int) {
        let model = Self.model(seed: seed, samples: samples)
        let shares = ([0] + (0...40).map { 1 << $0 }).map { model.survival(at: .milliseconds($0)) }
        #expect(shares[0] == 1)
        #expect(zip(shares, shares.dropFirst()).allSatisfy { $0 >= $1 && $1 >= 0 })
        #expect(shares[40] < 0.01)
    }

    @Test func `extreme samples leave the model finite`() {
        var model = DurationModel(typical: .zero, upper: .zero)
        for _ in 0..<40 {
            model.learn(.exact(.zero, succeeded: true))
            model.learn(.exact(.seconds(1e12), succeeded: true))
            model.learn(.interval(after: .zero, by: .seconds(1e12), succeeded: false))
            model.learn(.interval(after: .seconds(9), by: .zero, succeeded: true))
            model.learn(.censored(at: .seconds(-5)))
            model.learn(.censored(at: .seconds(1e12)))
        }
        for age in [Duration.zero, .seconds(1), .seconds(1e6), .seconds(1e12)] {
            let hazard = model.hazard(at: age)
            #expect(hazard.isFinite && hazard > 0)
            #expect(model.quantile(0.5, beyond: age) >= age)
        }
        #expect(DurationModel(decoding: model.encoded()) == model)
    }

    @Test(arguments: seeds)
    func `quantiles rise with the share, and are at least the given age`(seed: UInt64) {
        let model = Self.model(seed: seed)
        for age in [0, 1, 40, 300, 4_000, 1_000_000].map({ Duration.seconds($0) }) {
            let quantiles = [-1, 0, 0.01, 0.1, 0.5, 0.9, 0.99, 1].map { model.quantile($0, beyond: age) }
            #expect(quantiles == quantiles.sorted(), "\(age)")
            #expect(quantiles.allSatisfy { $0 >= age }, "\(age)")
        }
        let ages = [0, 1, 40, 300, 4_000].map { model.quantile(0.9, beyond: .seconds($0)) }
        #expect(ages == ages.sorted())
    }

    @Test(arguments: seeds)
    func `quantile and survival are inverse to each other`(seed: UInt64) {
        let model = Self.model(seed: seed)
        for share in [0.1, 0.5, 0.9, 0.99] {
            #expect(abs(model.survival(at: model.quantile(share)) - (1 - share)) < 0.01)
        }
    }

    @Test func `ten samples outweigh a documented duration that is wrong by a factor of four`() {
        var model = DurationModel(typical: .seconds(240), upper: .seconds(600))
        for sample in 0..<10 { model.learn(.exact(.seconds(56 + sample), succeeded: true)) }
        #expect(model.quantile(0.5) > .seconds(54) && model.quantile(0.5) < .seconds(68))
        #expect(model.quantile(0.9) < .seconds(110))
        #expect(model.sampleCount == 10)
    }

    @Test func `a provider that becomes three times slower is followed within fifty tasks`() {
        var model = Self.steady(200)
        #expect(model.quantile(0.5) < .seconds(66))
        for sample in 0..<50 { model.learn(.exact(.milliseconds(180 * (900 + sample * 37 % 200)), succeeded: true)) }
        #expect(model.quantile(0.5) > .seconds(165) && model.quantile(0.5) < .seconds(195))
        #expect(model.survival(at: .seconds(100)) > 0.9)
    }

    @Test func `one outlier hardly changes the median`() {
        var model = Self.steady(64)
        let before = model.quantile(0.5)
        model.learn(.exact(.seconds(3_600), succeeded: true))
        #expect(abs((model.quantile(0.5) - before).inSeconds) < 6)
    }

    @Test func `fast failures raise the early hazard and do not change the quantiles of older tasks`() {
        var model = Self.steady(40)
        let before = model.hazard(at: .seconds(3))
        for _ in 0..<10 { model.learn(.exact(.seconds(3), succeeded: false)) }
        #expect(model.hazard(at: .seconds(3)) > 10 * before)
        #expect(model.shareOfFailures > 0.15 && model.shareOfFailures < 0.25)
        // A task older than the failures is expected as before.
        let rest = model.quantile(0.5, beyond: .seconds(30))
        #expect(rest > .seconds(54) && rest < .seconds(66))
    }

    @Test func `an interval counts as its middle, and a wide one hardly counts`() {
        var narrow = Self.steady(10)
        var wide = narrow
        for _ in 0..<5 { narrow.learn(.interval(after: .seconds(118), by: .seconds(122), succeeded: true)) }
        for _ in 0..<5 { wide.learn(.interval(after: .seconds(1), by: .seconds(36_000), succeeded: true)) }
        #expect(narrow.quantile(0.5) > .seconds(75))
        #expect(abs((wide.quantile(0.5) - Self.steady(10).quantile(0.5)).inSeconds) < 3)
    }

    @Test func `samples censored early change nothing, those censored late lengthen the quantiles`() {
        let before = Self.steady(10).quantile(0.9)
        var early = Self.steady(10)
        var late = early
        for _ in 0..<5 {
            early.learn(.censored(at: .seconds(2)))
            late.learn(.censored(at: .seconds(300)))
        }
        #expect(abs((early.quantile(0.9) - before).inSeconds) < 1)
        #expect(late.quantile(0.9) > .seconds(250))
    }

    @Test func `the model learns two separate clusters of durations`() {
        var model = DurationModel(typical: .seconds(60))
        for sample in 0..<200 {
            let base = sample.isMultiple(of: 2) ? 20 : 200
            model.learn(.exact(.milliseconds(base * (900 + sample * 37 % 200)), succeeded: true))
        }
        // Hardly any task ends between the two.
        #expect(model.survival(at: .seconds(30)) - model.survival(at: .seconds(140)) < 0.15)
    }

    @Test func `a new child model starts with the quantiles of its endpoint`() {
        let own = DurationModel(prior: Self.steady(60))
        #expect(own.quantile(0.5) > .seconds(54) && own.quantile(0.5) < .seconds(66))
        #expect(own.sampleCount == 0 && !own.outpredictsParent)
    }

    @Test func `a child model is used once it predicts better than its endpoint`() {
        var endpoint = DurationModel(typical: .seconds(60))
        var fast = DurationModel(prior: endpoint)
        for sample in 0..<40 {
            let wobble = 900 + sample * 37 % 200
            let quick = DurationSample.exact(.milliseconds(20 * wobble), succeeded: true)
            fast.learn(quick, beside: endpoint)
            endpoint.learn(quick)
            endpoint.learn(.exact(.milliseconds(200 * wobble), succeeded: true))
        }
        #expect(fast.outpredictsParent)
        #expect(fast.quantile(0.9) < .seconds(30))
    }

    @Test func `a child model with the same durations as its endpoint is hardly ever used`() {
        var asked = 0
        for seed in 1...50 {
            var random = SeededRandom(seed: UInt64(seed))
            func sample() -> DurationSample {
                .exact(.milliseconds(Int.random(in: 40_000...80_000, using: &random)), succeeded: true)
            }
            var endpoint = DurationModel(typical: .seconds(60))
            for _ in 0..<40 { endpoint.learn(sample()) }
            var own = DurationModel(prior: endpoint)
            for _ in 0..<10 {
                let sample = sample()
                own.learn(sample, beside: endpoint)
                endpoint.learn(sample)
            }
            if own.outpredictsParent { asked += 1 }
        }
        #expect(asked <= 5, "\(asked) of 50")
    }

    @Test func `slower than usual means slower than 99 of 100`() {
        let model = Self.steady(60)
        #expect(!model.isSlow(at: .seconds(60)))
        #expect(model.isSlow(at: model.quantile(0.992)))
        #expect(!model.isSlow(at: model.quantile(0.988)))
    }
}

extension DurationModel {
    /// The share of tasks that take longer.
    fileprivate func survival(at age: Duration) -> Double { exponential(-curve.cumulatedHazard(at: age.inSeconds)) }
}
