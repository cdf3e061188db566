import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

/// Tests late replies against the table of the contract, row by row.
@Suite struct LateReplyTests {
    private let now = ManualTimeSource.start + .seconds(60)
    private static let first = RemoteTaskID("r-1") ?? { preconditionFailure("a valid id") }()
    private static let second = RemoteTaskID("r-2") ?? { preconditionFailure("a valid id") }()
    private static let failure = TaskFailure(code: "forbidden", message: "Moderation.")

    private static let accepted = TaskEvent.submissionAccepted(first, traceID: "t", pollURL: "https://p.example/r-1")
    private static let answered = TaskEvent.submissionAnswered(
        Observation(.succeeded(partial: false), record: ["url": "u"]), remoteID: nil)

    private func task(_ state: TaskState, attempts: Int, remoteID: String? = nil) -> TrackedTask {
        var task = TrackedTask.task(state: state, remoteID: remoteID)
        task.attempts = attempts
        task.attempt = Attempt(
            number: attempts, startedAt: ManualTimeSource.start,
            endedAt: state == .submitting ? nil : ManualTimeSource.start + .seconds(1))
        return task
    }

    private func apply(_ event: TaskEvent, to task: TrackedTask, attempt: Int) -> TaskChange {
        TaskLifecycle.apply(event, to: task, attempt: attempt, at: now, nextDueAt: now)
    }

    @Test func `a timely reply has its usual effect`() {
        let change = apply(Self.accepted, to: task(.submitting, attempts: 2), attempt: 2)
        #expect(change.transition == .advance(to: .running))
        #expect(change.task.resolution == nil)
        #expect(change.attempts.givenUp == nil && change.attempts.found == nil)
    }

    @Test func `an uncertain task continues with the reply to its latest attempt`() {
        let accepted = apply(Self.accepted, to: task(.uncertain, attempts: 1), attempt: 1)
        #expect(accepted.task.state == .running && accepted.task.remoteID == Self.first)
        #expect(accepted.task.resolution == .lateReply)
        #expect(accepted.task.pollURL == "https://p.example/r-1" && accepted.task.traceID == "t")
        #expect(accepted.logEntry?.kind == "submission_accepted")
        let answered = apply(Self.answered, to: task(.uncertain, attempts: 1), attempt: 1)
        #expect(answered.task.state == .succeeded && answered.response == ["url": "u"])
        #expect(
            apply(.submissionRefused(Self.failure), to: task(.uncertain, attempts: 1), attempt: 1).task.state == .failed
        )
        #expect(
            apply(.submissionNotAccepted(Self.failure), to: task(.uncertain, attempts: 1), attempt: 1).task.state
                == .queued)
    }

    @Test func `a queued task is not resent once an attempt was accepted`() {
        for attempt in [1, 2] {
            let change = apply(Self.accepted, to: task(.queued, attempts: 2), attempt: attempt)
            #expect(change.task.state == .running && change.task.remoteID == Self.first)
            #expect(change.attempts.found?.number == attempt)
            #expect(apply(Self.answered, to: task(.queued, attempts: 2), attempt: attempt).task.state == .succeeded)
        }
    }

    @Test func `an uncertain task continues with an earlier attempt and gives up the later one`() {
        let change = apply(Self.accepted, to: task(.uncertain, attempts: 2), attempt: 1)
        #expect(change.task.state == .running && change.task.remoteID == Self.first)
        #expect(change.attempts.givenUp?.attempt.number == 2)
        #expect(change.attempts.givenUp?.nextReadingAt == now + .seconds(300))
        #expect(change.attempts.found?.number == 1)
    }

    @Test func `during a later attempt the id is kept, and that attempt's reply decides the rest`() {
        let kept = apply(Self.accepted, to: task(.submitting, attempts: 2), attempt: 1)
        #expect(kept.transition == .update)
        #expect(kept.task.state == .submitting && kept.task.remoteID == nil)
        // Accepted as well: billed twice, and logged.
        let both = apply(.submissionAccepted(Self.second, traceID: nil), to: kept.task, attempt: 2)
        #expect(both.task.state == .running && both.task.remoteID == Self.second)
        #expect(both.logEntries.map(\.kind) == ["submission_accepted", "late_record"])
        #expect(both.logEntries.last?.detail["remote_id"] == "r-1")
        #expect(both.logEntries.last?.detail["billed_twice"] == true)
        // Otherwise the task continues with the kept id.
        for event in [
            TaskEvent.submissionRefused(Self.failure), .submissionNotAccepted(Self.failure),
            .submissionInterrupted(Self.failure, isProbablyRefused: false),
        ] {
            let alone = apply(event, to: kept.task, attempt: 2)
            #expect(alone.task.state == .running && alone.task.remoteID == Self.first, "\(event.kind)")
            let isInDoubt = event.kind == "submission_interrupted"
            #expect((alone.attempts.givenUp?.attempt.number == 2) == isInDoubt, "\(event.kind)")
        }
    }

    @Test(arguments: [TaskState.running, .succeeded])
    func `an id other than the known one means two payments`(state: TaskState) {
        let before = task(state, attempts: 2, remoteID: "r-2")
        let change = apply(Self.accepted, to: before, attempt: 1)
        #expect(change.transition == .noteLateRecord)
        #expect(change.task.remoteID == Self.second && change.task.state == state)
        #expect(change.logEntry?.kind == "late_record")
        #expect(change.logEntry?.detail["billed_twice"] == true)
        // The same reply again adds nothing.
        let again = apply(.submissionAccepted(Self.second, traceID: nil), to: before, attempt: 2)
        #expect(again.transition == .ignore && again.logEntries.isEmpty)
    }

    @Test(arguments: [TaskState.failed, .cancelled, .expired])
    func `a task that ended without an id gets it and can be reopened`(state: TaskState) {
        var before = task(state, attempts: 1)
        before.submittedAt = nil
        let change = apply(Self.accepted, to: before, attempt: 1)
        #expect(change.transition == .noteLateRecord)
        #expect(change.task.state == state && change.task.remoteID == Self.first)
        #expect(change.logEntry?.detail["billed_twice"] == false)
        let reopened = TaskLifecycle.apply(.reopenRequested, to: change.task, at: now, nextDueAt: now)
        #expect(reopened.task.state == .running && reopened.task.submittedAt != nil)
    }

    @Test func `a provider failure is never reopened`() {
        let failed = task(.failed, attempts: 1, remoteID: "r-1")
        var known = failed
        known.submittedAt = ManualTimeSource.start
        let change = TaskLifecycle.apply(.reopenRequested, to: known, at: now, nextDueAt: now)
        #expect(change.transition == .refuse(.notReopenable))
    }

    @Test(arguments: [TaskState.queued, .running, .succeeded, .failed, .cancelled, .expired])
    func `a late rejection of an earlier attempt is only logged`(state: TaskState) {
        let before = task(state, attempts: 2)
        let change = apply(.submissionRefused(Self.failure), to: before, attempt: 1)
        #expect(change.transition == .note)
        #expect(change.task == before)
        #expect(change.logEntry?.detail["code"] == "forbidden" && change.logEntry?.detail["attempt"] == 1)
    }

    @Test func `a late record of a given-up attempt has the effect of its reply`() {
        let found = TaskEvent.turnedUp(Self.first, traceID: "t")
        #expect(apply(found, to: task(.queued, attempts: 1), attempt: 1).task.resolution == .foundInList)
        #expect(apply(found, to: task(.uncertain, attempts: 2), attempt: 1).task.state == .running)
        #expect(
            apply(found, to: task(.running, attempts: 2, remoteID: "r-2"), attempt: 1).transition == .noteLateRecord)
    }

    @Test func `a record that may be a queued task's makes it uncertain again`() {
        let change = apply(.lookupUndecided(possible: [Self.first]), to: task(.queued, attempts: 1), attempt: 1)
        #expect(change.task.state == .uncertain)
        #expect(change.task.attempt?.possibleIDs == [Self.first])
        #expect(change.attempts.resumed == 1)
        #expect(change.logEntry?.detail["possible"] == ["r-1"])
    }

    @Test func `attempts that their task continues without are given up`() {
        let lost = task(.uncertain, attempts: 1)
        for event in [TaskEvent.resubmitted(.resubmittedByPolicy), .givenUp(Self.failure, .refusalConfirmed)] {
            let change = TaskLifecycle.apply(event, to: lost, at: now, nextDueAt: now)
            #expect(change.attempts.givenUp?.key == GivenUpAttempt.Key(task: lost.id, number: 1))
        }
        let found = TaskLifecycle.apply(.foundInList(Self.first, traceID: nil), to: lost, at: now, nextDueAt: now)
        #expect(found.attempts.givenUp == nil)
    }

    @Test func `a given-up attempt is read again after 5 and 30 minutes, 2, 8 and 24 hours`() {
        var attempt = GivenUpAttempt(
            task: TrackedTask.task().id, attempt: Attempt(number: 1, startedAt: now), endedWithDaemon: false,
            givenUpAt: now)
        var times: [Int64] = []
        while let next = attempt.nextReadingAt {
            times.append((next - now).wholeMilliseconds / 60_000)
            attempt.wasRead(at: next)
        }
        #expect(times == [5, 30, 120, 480, 1_440])
    }

    @Test func `missed readings are not repeated`() {
        var attempt = GivenUpAttempt(
            task: TrackedTask.task().id, attempt: Attempt(number: 1, startedAt: now), endedWithDaemon: false,
            givenUpAt: now)
        attempt.wasRead(at: now + .seconds(10_000))
        #expect(attempt.nextReadingAt == now + .seconds(28_800))
    }

    @Test func `an incomplete reading is repeated with growing gaps for a day`() {
        var attempt = GivenUpAttempt(
            task: TrackedTask.task().id, attempt: Attempt(number: 1, startedAt: now), endedWithDaemon: false,
            givenUpAt: now)
        var count = 0
        while let next = attempt.nextReadingAt {
            attempt.couldNotBeRead(at: next)
            count += 1
        }
        #expect((10...20).contains(count))
    }
}
