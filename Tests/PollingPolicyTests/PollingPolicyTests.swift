import PollingPolicy
import TaskModel
import TaskTesting
import Testing

@Suite struct PollingPolicyTests {
    private static let seeds: [UInt64] = [1, 7, 42]
    private let start = ManualTimeSource.start

    @Test(arguments: seeds)
    func `every gap stays within its bounds`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<2_000 {
            let low = Int.random(in: 10...5_000, using: &random)
            let policy = PollingPolicy(
                minGap: .milliseconds(low), maxGap: .milliseconds(low + Int.random(in: 0...90_000, using: &random)))
            let history = PollHistory(
                submittedAt: start - .milliseconds(Int.random(in: -10_000...100_000_000, using: &random)),
                typical: .milliseconds(Int.random(in: 0...6_000_000, using: &random)))
            let gap = policy.nextPoll(after: history, now: start, using: &random) - start
            #expect(gap >= policy.minGap && gap <= policy.maxGap, "seed \(seed): \(history)")
        }
    }

    @Test(arguments: seeds)
    func `the next poll never comes before Retry-After`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for seconds in [1, 40, 90, 86_400] {
            let history = PollHistory(
                submittedAt: start - .seconds(5), typical: .seconds(40), retryNotBefore: start + .seconds(seconds))
            let next = PollingPolicy().nextPoll(after: history, now: start, using: &random)
            #expect(next >= start + .seconds(seconds), "seed \(seed)")
        }
    }

    @Test(arguments: seeds)
    func `the first poll comes at the typical time, and sooner where that is far away`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let soon = PollingPolicy().nextPoll(
            after: PollHistory(submittedAt: start, typical: .seconds(40)), now: start, using: &random)
        #expect((.seconds(36)) <= soon - start && soon - start <= .seconds(44), "seed \(seed)")
        let far = PollingPolicy().nextPoll(
            after: PollHistory(submittedAt: start, typical: .seconds(1_980)), now: start, using: &random)
        #expect((.seconds(54)) <= far - start && far - start <= .seconds(60), "seed \(seed)")
    }

    @Test(arguments: seeds)
    func `gaps grow with the age once the typical time is over`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        func gap(at age: Duration) -> Duration {
            let now = start + age
            return PollingPolicy().nextPoll(
                after: PollHistory(submittedAt: start, typical: .seconds(20)), now: now, using: &random) - now
        }
        let gaps = [24, 80, 240, 480].map { gap(at: .seconds($0)) }
        #expect(gaps == gaps.sorted(), "seed \(seed): \(gaps)")
        #expect(gap(at: .seconds(80)) <= .seconds(11), "seed \(seed)")
        #expect(gap(at: .seconds(86_400)) >= .seconds(54), "seed \(seed)")
    }

    @Test func `a task of twice the usual length costs few polls`() {
        var random = SeededRandom(seed: 1)
        var now = start
        var polls = 0
        let history = PollHistory(submittedAt: start, typical: .seconds(60))
        while now < start + .seconds(120) {
            now = PollingPolicy().nextPoll(after: history, now: now, using: &random)
            polls += 1
        }
        #expect(polls <= 10)
    }

    @Test func `tasks submitted together drift apart`() {
        var random = SeededRandom(seed: 1)
        let history = PollHistory(submittedAt: start, typical: .seconds(40))
        let points = (0..<50).map { _ in PollingPolicy().nextPoll(after: history, now: start, using: &random) }
        #expect(Set(points).count > 40)
    }

    @Test func `a largest gap below the smallest counts as the smallest`() {
        var random = SeededRandom(seed: 1)
        let policy = PollingPolicy(minGap: .seconds(10), maxGap: .seconds(2))
        let next = policy.nextPoll(
            after: PollHistory(submittedAt: start, typical: .seconds(1)), now: start, using: &random)
        #expect(next == start + .seconds(10))
    }

    @Test func `a clock that was set back makes nobody wait for ever`() {
        var random = SeededRandom(seed: 1)
        let history = PollHistory(submittedAt: start + .seconds(1_000_000), typical: .seconds(40))
        let next = PollingPolicy().nextPoll(after: history, now: start, using: &random)
        #expect(next <= start + .seconds(60))
    }
}

@Suite struct LookupPolicyTests {
    private let lost = ManualTimeSource.start

    @Test(arguments: [UInt64(1), 7, 42])
    func `within ten minutes it looks at least every largest gap, and first at once`(seed: UInt64) {
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
    func `after ten minutes it looks less and less often, up to a cap`(seed: UInt64) {
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

    @Test func `the largest gap of the settings bounds the first ten minutes`() {
        var random = SeededRandom(seed: 1)
        let policy = LookupPolicy(maxGap: .seconds(5))
        for age in [0, 30, 300, 599] {
            let now = lost + .seconds(age)
            #expect(policy.nextLookup(lostAt: lost, now: now, using: &random) - now <= .seconds(5))
        }
    }

    @Test func `a submission lost in the future is looked for at the full pace, and no faster`() {
        var random = SeededRandom(seed: 1)
        func gap(ahead: Duration) -> Duration {
            LookupPolicy().nextLookup(lostAt: lost, now: lost - ahead, using: &random) - (lost - ahead)
        }
        #expect(gap(ahead: .milliseconds(200)) <= .seconds(1))
        #expect(gap(ahead: .seconds(3_600)) >= .seconds(54))
        #expect(gap(ahead: .seconds(3_600)) <= .seconds(60))
    }
}

@Suite struct BackoffTests {
    private let now = ManualTimeSource.start

    @Test(arguments: [UInt64(1), 7, 42])
    func `the wait doubles with the failures, up to the cap, and lies in the upper half`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for (failures, bound) in [(1, 2), (2, 4), (3, 8), (5, 32), (6, 60), (7, 60), (1_000, 60)] {
            for _ in 0..<50 {
                let wait = Backoff().retry(after: failures, at: now, retryAfter: nil, using: &random) - now
                #expect(wait <= .seconds(bound), "seed \(seed), \(failures) failures")
                #expect(wait >= .seconds(bound) / 2 - .milliseconds(1), "seed \(seed), \(failures) failures")
            }
        }
    }

    @Test(arguments: [0, -3])
    func `no failure at all counts as one`(failures: Int) {
        var random = SeededRandom(seed: 1)
        let wait = Backoff().retry(after: failures, at: now, retryAfter: nil, using: &random) - now
        #expect(wait <= .seconds(2) && wait > .zero)
    }

    @Test func `Retry-After is obeyed where it is longer, and bounded by a day`() {
        var random = SeededRandom(seed: 1)
        #expect(Backoff().retry(after: 1, at: now, retryAfter: .seconds(90), using: &random) == now + .seconds(90))
        #expect(Backoff().retry(after: 6, at: now, retryAfter: .seconds(1), using: &random) >= now + .seconds(29))
        #expect(
            Backoff().retry(after: 1, at: now, retryAfter: .seconds(1e12), using: &random) == now + .seconds(86_400))
    }

    @Test func `waits differ`() {
        var random = SeededRandom(seed: 1)
        let waits = (0..<50).map { _ in Backoff().retry(after: 5, at: now, retryAfter: nil, using: &random) }
        #expect(Set(waits).count > 40)
    }
}

@Suite struct DurationSummaryTests {
    @Test func `nothing observed says nothing`() {
        #expect(DurationSummary(of: []) == nil)
    }

    @Test func `quantiles are those of the nearest rank, whatever the order`() throws {
        let hundred = try #require(DurationSummary(of: (1...100).reversed().map { .seconds($0) }))
        #expect(hundred.p50 == .seconds(50))
        #expect(hundred.p90 == .seconds(90))
        #expect(hundred.samples == 100)
        let one = try #require(DurationSummary(of: [.seconds(3)]))
        #expect(one.p50 == .seconds(3) && one.p90 == .seconds(3))
        let two = try #require(DurationSummary(of: [.seconds(9), .seconds(1)]))
        #expect(two.p50 == .seconds(1) && two.p90 == .seconds(9))
        let ten = try #require(DurationSummary(of: (1...10).map { .seconds($0) }))
        #expect(ten.p50 == .seconds(5) && ten.p90 == .seconds(9))
    }

    @Test(arguments: [UInt64(1), 7])
    func `half are within the first and nine of ten within the second`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for count in 1...60 {
            let samples = (0..<count).map { _ in Duration.milliseconds(Int.random(in: 0...100_000, using: &random)) }
            let summary = try #require(DurationSummary(of: samples))
            #expect(samples.filter { $0 <= summary.p50 }.count * 2 >= count, "seed \(seed), \(count)")
            #expect(samples.filter { $0 <= summary.p90 }.count * 10 >= count * 9, "seed \(seed), \(count)")
            #expect(summary.p50 <= summary.p90)
        }
    }
}
