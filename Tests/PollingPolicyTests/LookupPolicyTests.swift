import PollingPolicy
import Randomness
import TaskModel
import TaskTesting
import Testing

@Suite struct LookupPolicyTests {
    private let lost = ManualTimeSource.start

    @Test(arguments: [UInt64(1), 7, 42])
    func `in the first ten minutes look-ups are at most the largest gap apart, and the first is immediate`(seed: UInt64)
    {
        var random = SeededRandom(seed: seed)
        var now = lost
        var gaps: [Duration] = []
        while now - lost < .seconds(600) {
            let next = LookupPolicy().nextLookup(lostAt: lost, now: now, using: &random)
            gaps.append(next - now)
            now = next
        }
        #expect(gaps.allSatisfy { $0 <= .seconds(60) && $0 >= .milliseconds(100) }, "seed \(seed): \(gaps)")
        #expect((gaps.first ?? .zero) <= .seconds(1), "seed \(seed)")
        #expect(gaps.count < 60, "seed \(seed): \(gaps.count)")
    }

    @Test(arguments: [UInt64(1), 7, 42])
    func `after ten minutes the gap between look-ups grows up to a limit`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        func gap(at age: Duration) -> Duration {
            LookupPolicy().nextLookup(lostAt: lost, now: lost + age, using: &random) - (lost + age)
        }
        let gaps = [600, 1_200, 3_600, 36_000].map { gap(at: .seconds($0)) }
        #expect(gaps == gaps.sorted(), "seed \(seed): \(gaps)")
        #expect(gaps[0] >= .seconds(60), "seed \(seed)")
        let late = gap(at: .seconds(86_400 * 30))
        #expect(late <= .seconds(21_600) && late >= .seconds(19_440), "seed \(seed)")
    }

    @Test func `the configured largest gap limits look-ups in the first ten minutes`() {
        var random = SeededRandom(seed: 1)
        let policy = LookupPolicy(maxGap: .seconds(5))
        for age in [0, 30, 300, 599] {
            let now = lost + .seconds(age)
            #expect(policy.nextLookup(lostAt: lost, now: now, using: &random) - now <= .seconds(5))
        }
    }

    @Test func `a submission with a loss time in the future is looked up at the usual pace`() {
        var random = SeededRandom(seed: 1)
        func gap(ahead: Duration) -> Duration {
            LookupPolicy().nextLookup(lostAt: lost, now: lost - ahead, using: &random) - (lost - ahead)
        }
        #expect(gap(ahead: .milliseconds(200)) <= .seconds(1))
        #expect(gap(ahead: .seconds(3_600)) >= .seconds(54))
        #expect(gap(ahead: .seconds(3_600)) <= .seconds(60))
    }
}
