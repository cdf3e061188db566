import PollingPolicy
import Randomness
import TaskModel
import TaskTesting
import Testing

/// Tests the poll times that follow from a model.
@Suite struct ScheduleTests {
    private static let seeds: [UInt64] = [1, 7, 42]
    private let start = ManualTimeSource.start

    private func gap(
        at age: Duration, model: DurationModel, policy: PollingPolicy = PollingPolicy(), reliability: Double = 0,
        sharedBy sharing: Int = 1, change: (inout PollHistory) -> Void = { _ in }
    ) -> Duration {
        var random = SeededRandom(seed: 11)
        var history = PollHistory(submittedAt: start)
        change(&history)
        let now = start + age
        return policy.nextPoll(
            after: history, model: model, now: now, callbackReliability: reliability, sharedBy: sharing, using: &random)
            - now
    }

    @Test(arguments: seeds)
    func `every gap stays within its limits, for any model and progress`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for round in 0..<300 {
            let low = Int.random(in: 10...5_000, using: &random)
            let policy = PollingPolicy(
                minGap: .milliseconds(low), maxGap: .milliseconds(low + Int.random(in: 0...90_000, using: &random)),
                latencyPrice: .milliseconds(Int.random(in: 0...20_000, using: &random)))
            let model = DurationModelTests.model(seed: seed &+ UInt64(round), samples: round % 20)
            var history = PollHistory(
                submittedAt: start - .milliseconds(Int.random(in: -9_999...99_999_999, using: &random)))
            if Bool.random(using: &random) {
                history.progress = .init(
                    percent: Double.random(in: -10...110, using: &random),
                    since: start - .milliseconds(Int.random(in: -9_999...9_999_999, using: &random)))
            }
            let gap =
                policy.nextPoll(
                    after: history, model: model, now: start,
                    callbackReliability: Double.random(in: -1...2, using: &random),
                    sharedBy: Int.random(in: -1...60, using: &random), using: &random) - start
            #expect(gap >= policy.minGap && gap <= policy.maxGap, "seed \(seed), round \(round): \(history)")
        }
    }

    @Test(arguments: [1, 40, 90, 86_400])
    func `the next poll never comes before Retry-After`(seconds: Int) {
        let model = DurationModelTests.steady(20)
        let wait = Duration.seconds(seconds)
        let gap = gap(at: .seconds(50), model: model) { $0.retryNotBefore = start + .seconds(50) + wait }
        #expect(gap >= wait)
    }

    @Test func `polls are rare before the usual duration, frequent around it and rarer long after it`() {
        let model = DurationModelTests.steady(60)
        #expect(gap(at: .zero, model: model) > .seconds(40))
        let around = gap(at: .seconds(61), model: model)
        #expect(around < .seconds(5))
        #expect(gap(at: .seconds(600), model: model) > around * 3)
        #expect(gap(at: .seconds(86_400 * 30), model: model) >= .seconds(58))
    }

    @Test func `fast failures make the first poll earlier`() {
        var model = DurationModelTests.steady(40)
        for _ in 0..<15 { model.learn(.exact(.seconds(3), succeeded: false)) }
        #expect(gap(at: .zero, model: model) < .seconds(15))
    }

    @Test func `a constant hazard is polled at Keller's interval`() {
        // Far in the tail the hazard is nearly constant.
        let model = DurationModelTests.steady(60)
        let age = Duration.seconds(7_200)
        let policy = PollingPolicy(maxGap: .seconds(600))
        let keller = (2 * 0.5 / model.hazard(at: age)).squareRoot()
        #expect(abs(gap(at: age, model: model, policy: policy).inSeconds / keller - 1) < 0.1)
    }

    @Test func `a higher call price makes polls rarer, and sharing a query makes them more frequent`() {
        let model = DurationModelTests.steady(30)
        let usual = gap(at: .seconds(70), model: model)
        #expect(gap(at: .seconds(70), model: model, policy: PollingPolicy(latencyPrice: .seconds(5))) > usual)
        #expect(gap(at: .seconds(70), model: model, sharedBy: 50) < usual)
    }

    @Test func `reliable callbacks make polls rarer, but never stop them`() {
        let model = DurationModelTests.steady(30)
        let gaps = [0, 0.5, 0.9, 0.95, 1].map { gap(at: .seconds(70), model: model, reliability: $0) }
        #expect(gaps == gaps.sorted() && gaps[0] < gaps[2])
        #expect(gaps[4] == gaps[3] && gaps[4] <= .seconds(60))
    }

    @Test func `a largest gap below the smallest is raised to it`() {
        let policy = PollingPolicy(minGap: .seconds(10), maxGap: .seconds(2))
        #expect(gap(at: .seconds(62), model: DurationModelTests.steady(30), policy: policy) == .seconds(10))
    }

    @Test func `high progress makes the next poll earlier, and low progress later`() {
        var model = DurationModel(typical: .seconds(60))
        for seconds in [20, 30, 45, 60, 60, 80, 120, 200] { model.learn(.exact(.seconds(seconds), succeeded: true)) }
        let age = Duration.seconds(40)
        let without = gap(at: age, model: model)
        let done = gap(at: age, model: model) { $0.progress = .init(percent: 95, since: start + age) }
        let begun = gap(at: age, model: model) { $0.progress = .init(percent: 5, since: start + age) }
        #expect(done < without)
        #expect(begun > without)
    }

    @Test func `progress that no longer changes loses its effect`() {
        let model = DurationModelTests.steady(30)
        let age = Duration.seconds(400)
        let without = gap(at: age, model: model)
        let stuck = gap(at: age, model: model) { $0.progress = .init(percent: 99, since: start + .seconds(20)) }
        let fresh = gap(at: age, model: model) { $0.progress = .init(percent: 99, since: start + age) }
        #expect(fresh < without / 2)
        #expect(abs(stuck.inSeconds / without.inSeconds - 1) < 0.35)
    }

    @Test func `tasks submitted together get different poll times`() {
        var random = SeededRandom(seed: 1)
        let model = DurationModelTests.steady(30)
        let points = (0..<50).map { _ in
            PollingPolicy().nextPoll(after: PollHistory(submittedAt: start), model: model, now: start, using: &random)
        }
        #expect(Set(points).count > 40)
    }

    @Test func `a clock set back does not delay a poll beyond the largest gap`() {
        let gap = gap(at: .seconds(-1_000_000), model: DurationModelTests.steady(30))
        #expect(gap <= .seconds(60))
    }

    @Test func `overdue tasks have a higher priority, and every priority is finite`() {
        let policy = PollingPolicy()
        let model = DurationModelTests.steady(30)
        func priority(_ age: Int, since: Int) -> Double {
            policy.priority(age: .seconds(age), sinceLastPoll: .seconds(since), model: model)
        }
        #expect(priority(62, since: 4) > priority(20, since: 20))
        #expect(priority(3_000, since: 600) > priority(62, since: 2))
        #expect(priority(-5, since: -5).isFinite)
    }
}
