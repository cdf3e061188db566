import Randomness
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

@Suite struct TaskLifecycleApplyTests {
    private let now = ManualTimeSource.start + .seconds(100)
    private let next = ManualTimeSource.start + .seconds(160)
    private let failure = TaskFailure(code: "reply_lost", message: "The reply was lost.", httpStatus: 502)

    private func remote(_ text: String) throws -> RemoteTaskID { try #require(RemoteTaskID(text)) }

    private func apply(_ event: TaskEvent, to task: TrackedTask, nextDueAt: Timestamp? = nil) -> TaskChange {
        TaskLifecycle.apply(event, to: task, at: now, nextDueAt: nextDueAt ?? next)
    }

    // MARK: Sending

    @Test func `a start creates an attempt without an outcome`() {
        var task = TrackedTask.task(state: .queued)
        task.failure = failure
        task.attempts = 2
        task.attempt = Attempt(
            number: 2, startedAt: task.createdAt, endedAt: task.createdAt, isProbablyRefused: true, absentReadings: 3,
            firstAbsentAt: task.createdAt)
        let change = apply(.submissionStarted(), to: task)
        #expect(change.task.attempts == 3)
        #expect(change.task.attempt == Attempt(number: 3, startedAt: now))
        #expect(change.task.failure == nil)
        #expect(change.task.nextDueAt == next)
        #expect(change.logEntry?.kind == "submission_started")
        #expect(change.logEntry?.detail["attempt"] == 3)
        #expect(change.logEntry?.from == .queued)
        #expect(change.logEntry?.to == .submitting)
    }

    @Test func `an accepted task knows its remote id, its trace and when it was sent`() throws {
        let task = TrackedTask.task(state: .submitting)
        let change = apply(.submissionAccepted(try remote("r-1"), traceID: "t-1"), to: task)
        #expect(change.task.state == .running)
        #expect(change.task.remoteID?.text == "r-1")
        #expect(change.task.traceID == "t-1")
        #expect(change.task.submittedAt == task.attempt?.startedAt)
        #expect(change.task.attempt?.endedAt == now)
        #expect(change.task.nextDueAt == next)
        #expect(change.logEntry?.detail["remote_id"] == "r-1")
    }

    @Test func `an inline answer is kept with its times and ends the task`() throws {
        let observation = Observation(
            .succeeded(partial: true), record: ["data": [1]], progress: 40, traceID: "t-2",
            startedAt: Timestamp(milliseconds: 5), finishedAt: Timestamp(milliseconds: 9))
        let change = apply(.submissionAnswered(observation, remoteID: nil), to: .task(state: .submitting))
        #expect(change.task.state == .succeeded)
        #expect(change.task.isPartial)
        #expect(change.task.progress == 100)
        #expect(change.task.traceID == "t-2")
        #expect(change.task.startedAt?.milliseconds == 5)
        #expect(change.task.finishedAt?.milliseconds == 9)
        #expect(change.task.endedAt == now)
        #expect(change.task.nextDueAt == nil)
        #expect(change.task.submittedAt == ManualTimeSource.start)
        #expect(change.response == ["data": [1]])
        #expect(change.logEntry?.detail["partial"] == true)
    }

    @Test func `a task that was not accepted is queued again with the reason`() {
        let change = apply(.submissionNotAccepted(failure), to: .task(state: .submitting))
        #expect(change.task.state == .queued)
        #expect(change.task.failure == failure)
        #expect(change.task.attempt?.endedAt == now)
        #expect(change.task.submittedAt == nil)
        #expect(change.logEntry?.detail["code"] == "reply_lost")
        #expect(change.logEntry?.detail["http_status"] == 502)
    }

    @Test func `a lost reply records whether the provider probably rejected the task`() {
        let change = apply(.submissionInterrupted(failure, isProbablyRefused: true), to: .task(state: .submitting))
        #expect(change.task.state == .uncertain)
        #expect(change.task.attempt?.isProbablyRefused == true)
        #expect(change.task.attempt?.endedAt == now)
        #expect(change.task.failure == failure)
    }

    // MARK: Uncertain

    @Test func `readings without the task are counted from the first`() {
        var task = TrackedTask.task(state: .uncertain)
        task = apply(.absentFromList, to: task).task
        #expect(task.attempt?.absentReadings == 1)
        #expect(task.attempt?.firstAbsentAt == now)
        let later = TaskLifecycle.apply(.absentFromList, to: task, at: now + .seconds(60), nextDueAt: next)
        #expect(later.task.attempt?.absentReadings == 2)
        #expect(later.task.attempt?.firstAbsentAt == now)
        #expect(later.logEntry == nil)
    }

    @Test func `a found task has the age of its found attempt`() throws {
        let change = apply(.foundInList(try remote("r-2"), traceID: "t"), to: .task(state: .uncertain))
        #expect(change.task.state == .running)
        #expect(change.task.resolution == .foundInList)
        #expect(change.task.failure == nil)
        #expect(change.task.submittedAt == ManualTimeSource.start)
    }

    @Test func `the resolution of an uncertain task is kept while it continues`() throws {
        var task = apply(.resubmitted(.resubmitted), to: .task(state: .uncertain)).task
        #expect(task.state == .queued)
        #expect(task.resolution == .resubmitted)
        task = apply(.submissionStarted(), to: task).task
        task = apply(.submissionAccepted(try remote("r-3"), traceID: nil), to: task).task
        task = apply(.observed(Observation(.succeeded(partial: false), record: [:])), to: task).task
        #expect(task.resolution == .resubmitted)
    }

    @Test func `a second lost reply has no resolution`() {
        var task = apply(.resubmitted(.resubmitted), to: .task(state: .uncertain)).task
        task = apply(.submissionStarted(), to: task).task
        task = apply(.submissionInterrupted(failure, isProbablyRefused: false), to: task).task
        #expect(task.state == .uncertain)
        #expect(task.resolution == nil)
    }

    @Test(arguments: [Resolution.givenUp, .givenUpByPolicy, .refusalConfirmed])
    func `a given-up task fails with the given reason`(how: Resolution) {
        let change = apply(.givenUp(failure, how), to: .task(state: .uncertain))
        #expect(change.task.state == .failed)
        #expect(change.task.failure == failure)
        #expect(change.task.resolution == how)
        #expect(change.task.nextDueAt == nil)
        #expect(change.logEntry?.detail["resolution"] == .string(how.rawValue))
    }

    // MARK: Running

    @Test func `a poll of a running task updates its row without a log entry`() {
        var task = TrackedTask.task(state: .running)
        task.notFoundCount = 3
        task.firstMissAt = now
        let observation = Observation(
            .pending, record: ["progress": 35], progress: 35, traceID: "t", startedAt: Timestamp(milliseconds: 4))
        let change = apply(.observed(observation), to: task)
        #expect(change.transition == .update)
        #expect(change.logEntry == nil)
        #expect(change.response == ["progress": 35])
        #expect(change.task.polls == 1)
        #expect(change.task.notFoundCount == 0)
        #expect(change.task.firstMissAt == nil)
        #expect(change.task.progress == 35)
        #expect(change.task.startedAt?.milliseconds == 4)
        #expect(change.task.nextDueAt == next)
        #expect(change.task.endedAt == nil)
    }

    @Test func `a later poll with fewer facts deletes nothing`() {
        var task = TrackedTask.task(state: .running)
        task.progress = 35
        task.traceID = "t"
        task.startedAt = Timestamp(milliseconds: 4)
        let change = apply(.observed(Observation(.pending, record: [:])), to: task)
        #expect(change.task.progress == 35)
        #expect(change.task.traceID == "t")
        #expect(change.task.startedAt?.milliseconds == 4)
    }

    @Test func `misses are counted from the first, as polls`() {
        let first = apply(.missed, to: .task(state: .running)).task
        let second = TaskLifecycle.apply(.missed, to: first, at: now + .seconds(9), nextDueAt: next).task
        #expect(second.notFoundCount == 2)
        #expect(second.firstMissAt == now)
        #expect(second.polls == 2)
        let gone = TaskLifecycle.apply(.remoteTaskGone, to: second, at: now + .seconds(18), nextDueAt: next).task
        #expect(gone.state == .failed)
        #expect(gone.failure == .remoteTaskNotFound)
        #expect(gone.polls == 3)
    }

    @Test func `success clears the failure and completes the progress`() {
        var task = TrackedTask.task(state: .running)
        task.failure = failure
        task.progress = 80
        let change = apply(.observed(Observation(.succeeded(partial: false), record: [:])), to: task)
        #expect(change.task.failure == nil)
        #expect(change.task.progress == 100)
        #expect(!change.task.isPartial)
    }

    @Test func `an event without a next time leaves an open task due`() {
        for event in [TaskEvent.missed, .observed(Observation(.pending, record: [:]))] {
            let change = TaskLifecycle.apply(event, to: .task(state: .running), at: now, nextDueAt: nil)
            #expect(change.task.nextDueAt != nil, "\(event.kind)")
        }
    }

    // MARK: Ended

    @Test func `a late result changes nothing but the log`() {
        for state in [TaskState.succeeded, .failed, .cancelled, .expired] {
            let task = TrackedTask.task(state: state, remoteID: "r")
            let change = apply(.observed(Observation(.succeeded(partial: true), record: ["late": true])), to: task)
            #expect(change.transition == .noteLateResult)
            #expect(change.task == task)
            #expect(change.response == nil)
            #expect(change.logEntry?.kind == "late_result")
            #expect(change.logEntry?.detail["record"] == ["late": true])
            #expect(change.logEntry?.to == state)
        }
    }

    @Test func `a reopened task has no deadline, no outcome and no misses`() {
        var task = TrackedTask.task(state: .expired, deadline: ManualTimeSource.start, remoteID: "r")
        task.failure = failure
        task.notFoundCount = 4
        task.firstMissAt = now
        let change = apply(.reopenRequested, to: task)
        #expect(change.task.state == .running)
        #expect(change.task.deadline == nil)
        #expect(change.task.failure == nil)
        #expect(change.task.endedAt == nil)
        #expect(change.task.notFoundCount == 0)
        #expect(change.task.firstMissAt == nil)
        #expect(change.task.nextDueAt == next)
    }

    @Test func `rejected events and events without news leave the task unchanged`() throws {
        let task = TrackedTask.task(state: .queued)
        for event in [
            TaskEvent.adopted(try remote("r")), .observed(Observation(.pending, record: [:])), .remoteTaskGone,
        ] {
            let change = apply(event, to: task)
            #expect(change.task == task)
            #expect(change.logEntry == nil)
            #expect(change.response == nil)
        }
    }

    // MARK: Any order of events

    @Test func `a slow task is logged once`() {
        let first = apply(.slowerThanUsual, to: .task(state: .running), nextDueAt: next)
        #expect(first.logEntry?.kind == "slower_than_usual")
        #expect(first.task.slowAt == now)
        #expect(first.task.state == .running)
        #expect(first.task.polls == 0)
        let second = apply(.slowerThanUsual, to: first.task, nextDueAt: next)
        #expect(second.transition == .ignore)
        #expect(second.logEntry == nil)
    }

    @Test func `polls supply the facts that the schedule needs`() {
        let pending = Observation(
            .pending, record: [:], progress: 30, createdAt: now - .seconds(20), startedAt: now - .seconds(15))
        let task = apply(.observed(pending), to: .task(state: .running), nextDueAt: next).task
        #expect(task.lastPendingAt == now)
        #expect(task.waited == .seconds(5))
        #expect(task.progressAt == now)
        let again = TaskLifecycle.apply(.observed(pending), to: task, at: next, nextDueAt: next).task
        #expect(again.lastPendingAt == next)
        #expect(again.progressAt == now)
    }

    @Test(arguments: [UInt64(1), 2, 3, 4, 5, 81])
    func `every order of events keeps the invariants of the schema`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for run in 0..<300 {
            var task = TrackedTask.task(run)
            for step in 0..<40 {
                let event = TaskEvent.random(using: &random)
                let nextDueAt = Bool.random(using: &random) ? next : nil
                let at = ManualTimeSource.start + .seconds(step)
                let attempt =
                    Bool.random(using: &random) ? Int.random(in: 1...max(task.attempts, 1), using: &random) : nil
                let change = TaskLifecycle.apply(event, to: task, attempt: attempt, at: at, nextDueAt: nextDueAt)
                let place = "seed \(seed), run \(run), step \(step): \(event.kind) on \(task.state)"
                Self.check(change, by: event, from: task, place)
                task = change.task
            }
        }
    }

    private static func check(_ change: TaskChange, by event: TaskEvent, from before: TrackedTask, _ place: String) {
        let task = change.task
        #expect((task.endedAt != nil) == task.state.hasEnded, "\(place)")
        #expect((task.nextDueAt == nil) == task.state.hasEnded, "\(place)")
        #expect(task.state != .running || task.remoteID != nil, "\(place)")
        #expect((task.attempt == nil) == (task.attempts == 0), "\(place)")
        #expect(task.attempt.map { $0.number == task.attempts } ?? true, "\(place)")
        #expect(task.attempt.map { ($0.endedAt == nil) == (task.state == .submitting) } ?? true, "\(place)")
        #expect((task.notFoundCount == 0) == (task.firstMissAt == nil), "\(place)")
        #expect(task.state != .failed || task.failure != nil, "\(place)")
        #expect(task.state != .succeeded || task.failure == nil, "\(place)")
        #expect(task.state != .uncertain || task.resolution == nil, "\(place)")
        #expect(task.attempts >= before.attempts && task.polls >= before.polls, "\(place)")
        // A task with a remote id may be billed, so no further request may follow.
        #expect(before.remoteID == nil || task.attempts == before.attempts, "\(place)")
        if [.succeeded, .failed].contains(before.state), task.state == before.state {
            var outcome = task
            // A lost task may get the id of a late record, and then counts its deliveries. Nothing else changes.
            if before.remoteID == nil { outcome.remoteID = nil }
            if task.mayBeReopened { outcome.callbacks = before.callbacks }
            #expect(outcome == before, "\(place)")
        }
        #expect(before.state != .failed || task.state == .failed || before.wasLost, "\(place)")
        #expect(before.state != .succeeded || task.state == .succeeded, "\(place)")
        let isLogged =
            switch change.transition {
            case .advance, .note, .noteLateResult, .noteLateRecord: true
            case .update:
                event.kind == "reply_too_large" || task.slowAt != before.slowAt
                    || task.callbacks.count > before.callbacks.count
                    || task.attempt?.possibleIDs != before.attempt?.possibleIDs
                        && task.attempt?.possibleIDs.isEmpty == false
            case .ignore, .refuse: false
            }
        #expect((change.logEntry != nil) == isLogged, "\(place)")
    }
}
