import PollingPolicy
import TaskModel
import TaskTesting
import Testing

@Suite struct BatchTests {
    private let policy = PollingPolicy()
    private let model = DurationModelTests.steady(30)

    private func members(_ count: Int, age: Int, since: Int = 1) -> [BatchCandidate] {
        (0..<count).map { place in
            BatchCandidate(
                age: .seconds(age) + .milliseconds(place * 100), sinceLastPoll: .seconds(since), model: model)
        }
    }

    @Test func `more tasks that may soon end make the batch earlier`() {
        let waits = [2, 10, 50].map { policy.nextBatch(of: members($0, age: 62)) }
        #expect(waits == waits.sorted().reversed() && waits[0] > waits[2])
    }

    @Test func `young tasks wait together`() {
        // Less than until the usual time: with so many tasks, one may fail early.
        let young = policy.nextBatch(of: members(50, age: 2, since: 2))
        #expect(young > .seconds(10))
        #expect(young > policy.nextBatch(of: members(50, age: 62)) * 10)
    }

    @Test func `reliable callbacks make batches rarer, but never stop them`() {
        // Few tasks, because many would be due at once in any case.
        func wait(_ reliability: Double) -> Duration {
            policy.nextBatch(
                of: (0..<4).map { place in
                    BatchCandidate(
                        age: .seconds(62) + .milliseconds(place * 100), sinceLastPoll: .seconds(1), model: model,
                        callbackReliability: reliability)
                })
        }
        #expect(wait(0.9) > wait(0.5) && wait(0.5) > wait(0) && wait(0) > .zero)
        #expect(wait(1) < policy.maxGap && wait(1) == wait(0.95))
    }

    @Test func `a task with a callback is in the batch, even if many others are likelier to have ended`() {
        let others = members(120, age: 62)
        let called = BatchCandidate(age: .seconds(2), sinceLastPoll: .seconds(1), model: model, isExpected: true)
        #expect(policy.selection(of: others + [called]).contains(120))
    }

    @Test func `nothing is due when no task is in flight`() {
        #expect(policy.nextBatch(of: []) == policy.maxGap)
        #expect(policy.selection(of: []).isEmpty)
    }

    @Test(arguments: [1, 2, 50, 300])
    func `the next batch is between the smallest and the largest gap after the latest poll`(count: Int) {
        for (age, since) in [(0, 0), (50, 3), (62, 1), (62, 59), (4_000, 30), (4_000, 400)] {
            let wait = policy.nextBatch(of: members(count, age: age, since: since)) + .seconds(since)
            #expect(wait >= policy.minGap, "\(age), \(since)")
            #expect(wait <= max(policy.maxGap, .seconds(since)) + .milliseconds(10), "\(age), \(since)")
        }
    }

    @Test func `the tasks likeliest to have ended are in the batch`() {
        let young = members(40, age: 3)
        let due = members(40, age: 60, since: 5)
        let selection = policy.selection(of: young + due, limit: 50)
        #expect(selection.count == 50)
        #expect(Set(40..<80).isSubset(of: Set(selection)))
    }

    @Test func `all tasks are in the batch if they fit`() {
        #expect(policy.selection(of: members(50, age: 3)) == Array(0..<50))
    }
}
