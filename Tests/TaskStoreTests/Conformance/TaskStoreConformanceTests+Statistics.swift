import SQLiteDriver
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

/// Tests statistics and clock jumps.
extension TaskStoreConformanceTests {
    @Test func `statistics are updated with the changes of their commit and read unchanged`() async throws {
        try await with { (store: TaskStore) async throws in
            let task = TrackedTask.task(1, state: .running)
            _ = try await store.insert(.new(task))
            let key = StatisticsKey(task.endpoint)
            let own = StatisticsKey(task.endpoint, model: "v5")
            let done = ScheduledEvent(
                .observed(Observation(.succeeded(partial: false), record: [:])), for: task.id, nextDueAt: nil)
            let updates = [key, own].map { key in
                StatisticsUpdate(about: key) { row, changes in
                    row.durations = "as the policy writes it"
                    row.wait = .milliseconds(1_250)
                    row.startsTold = 0.5
                    row.finished += changes.count { $0.transition == .advance(to: .succeeded) }
                    row.calls += 0.25
                    row.lateness += .milliseconds(750)
                    row.latenessSamples += 1
                    row.throttled += 2
                }
            }
            _ = try await store.apply([done], at: now, updating: updates)
            _ = try await store.apply([done], at: now, updating: updates)
            _ = try await store.apply([], at: now, updating: [updates[1]])
            let rows = try await store.statistics(of: task.endpoint)
            var expected = StatisticsRow(key: key)
            expected.durations = "as the policy writes it"
            expected.wait = .milliseconds(1_250)
            expected.startsTold = 0.5
            // The task could not end a second time.
            expected.finished = 1
            expected.calls = 0.5
            expected.lateness = .milliseconds(1_500)
            expected.latenessSamples = 2
            expected.throttled = 4
            #expect(rows.first == expected)
            #expect(rows.map(\.key) == [key, own])
            #expect(rows.last?.calls == 0.75)
            #expect(try await store.statistics(of: try endpoint("image/edit")).isEmpty)
        }
    }

    @Test func `a clock jump moves the schedule of open tasks, but not times set by people`()
        async throws
    {
        try await with { (store: TaskStore) async throws in
            var running = TrackedTask.task(1, state: .running, deadline: now + .seconds(9_000))
            running.ageFrom = now
            running.lastPendingAt = now + .seconds(3)
            running.progressAt = now + .seconds(2)
            let queued = TrackedTask.task(2, notBefore: now + .seconds(70))
            let ready = TrackedTask.task(4)
            running.notFoundCount = 1
            running.firstMissAt = now + .seconds(1)
            let uncertain = TrackedTask.task(3, state: .uncertain)
            for task in [running, queued, uncertain, ready] { _ = try await store.insert(.new(task)) }
            try await store.moveSchedule(by: .seconds(-3_600), at: now)
            var moved = running
            moved.nextDueAt = running.nextDueAt.map { $0 - .seconds(3_600) }
            moved.ageFrom = now - .seconds(3_600)
            moved.lastPendingAt = now - .seconds(3_597)
            moved.progressAt = now - .seconds(3_598)
            moved.firstMissAt = now - .seconds(3_599)
            #expect(try await store.task(running.id) == moved)
            #expect(try await store.task(queued.id) == queued)
            #expect(try await store.task(ready.id)?.nextDueAt == ready.nextDueAt.map { $0 - .seconds(3_600) })
            let doubted = try await store.task(uncertain.id)
            #expect(doubted?.nextDueAt == uncertain.nextDueAt.map { $0 - .seconds(3_600) })
            // The start is kept in the time of the former clock, and the drift is stored beside it.
            #expect(doubted?.attempt?.startedAt == uncertain.attempt?.startedAt)
            #expect(doubted?.attempt?.clock == ClockDrift(sum: .seconds(-3_600)))
        }
    }

    @Test(arguments: [TaskState.submitting, .uncertain])
    func `clock jumps are summed, and restart a measurement only beyond the tolerance`(
        state: TaskState
    ) async throws {
        try await with { (store: TaskStore) async throws in
            var task = TrackedTask.task(1, state: state)
            task.attempt?.absentReadings = 2
            task.attempt?.firstAbsentAt = now
            _ = try await store.insert(.new(task))
            let ended = TrackedTask.task(2, state: .succeeded)
            _ = try await store.insert(.new(ended))
            func jump(_ seconds: Int...) async throws -> Attempt? {
                for jump in seconds { try await store.moveSchedule(by: .seconds(jump), at: now) }
                return try await store.task(task.id)?.attempt
            }
            // Small jumps in both directions: the measurement continues with the current clock.
            let small = try await jump(7, -7, 20, 30)
            #expect(small?.clock == ClockDrift(sum: .seconds(50), highest: .seconds(50)))
            #expect(small?.absentReadings == 2 && small?.firstAbsentAt == now + .seconds(50))
            let large = try await jump(11)
            #expect(large?.clock == ClockDrift(sum: .seconds(61)))
            #expect(large?.absentReadings == 0 && large?.firstAbsentAt == nil)
            // A clock that is corrected was still wrong.
            let back = try await jump(-61)
            #expect(back?.clock == ClockDrift(highest: .seconds(61)))
            #expect(try await store.task(ended.id) == ended)
        }
    }
}
