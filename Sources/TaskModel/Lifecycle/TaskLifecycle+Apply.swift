package import VerbatimJSON

/// What is written for an event: the row as it becomes, and the line of the log.
package struct TaskChange: Sendable, Hashable {
    /// What the state machine said.
    package let transition: Transition
    /// The task as it is from now on.
    package let task: TrackedTask
    /// The provider's record to keep from now on, if the event brought one.
    package let response: JSONValue?
    /// The lines for the log: none, one, or two where the event also shows that the provider accepted two attempts.
    package var logEntries: [TaskLogEntry] = []
    /// What becomes of the attempts that may have been accepted without our knowing their ids.
    package var attempts = AttemptChange()

    /// The first line for the log.
    package var logEntry: TaskLogEntry? { logEntries.first }
}

/// What a change does to the attempts of a task that were given up.
package struct AttemptChange: Sendable, Hashable {
    /// This one is given up: its task goes on, or ends, without an id from it.
    package var givenUp: GivenUpAttempt?
    /// The attempt of this number is the task's uncertain one again.
    package var resumed: Int?
    /// The attempt of this number was accepted under this id.
    package var found: (number: Int, id: RemoteTaskID)?

    package static func == (left: AttemptChange, right: AttemptChange) -> Bool {
        left.givenUp == right.givenUp && left.resumed == right.resumed && left.found?.number == right.found?.number
            && left.found?.id == right.found?.id
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(givenUp)
        hasher.combine(resumed)
        hasher.combine(found?.number)
        hasher.combine(found?.id)
    }
}

/// One line of the append-only log, before the store gives it its number.
package struct TaskLogEntry: Sendable, Hashable {
    package let at: Timestamp
    /// Stable word, see ``TaskEvent/kind``.
    package let kind: String
    package let from: TaskState?
    package let to: TaskState
    /// What else there is to say, as JSON.
    package let detail: JSONObject

    package init(at: Timestamp, kind: String, from: TaskState?, to: TaskState, detail: JSONObject = JSONObject()) {
        self.at = at
        self.kind = kind
        self.from = from
        self.to = to
        self.detail = detail
    }
}

extension TaskLifecycle {
    /// The task as the event leaves it, and its lines for the log.
    ///
    /// `attempt` is the number of the attempt that a reply is to; nil for the latest. `schedule` says when the engine wants to
    /// look again, given the task as the event leaves it; it is asked at most once, and not where the task ends.
    package static func apply(
        _ event: TaskEvent, to task: TrackedTask, attempt: Int? = nil, at now: Timestamp,
        schedule: (TrackedTask) -> Timestamp?
    ) -> TaskChange {
        guard let delivery = lateAcceptance(by: event, of: task, attempt: attempt) else {
            return apply(event, event, to: task, attempt: attempt, at: now, schedule: schedule)
        }
        // The same reply once more, as after a commit whose outcome was unknown.
        if task.remoteID != nil, delivery.remoteID == task.remoteID, !event.isDelivery {
            return TaskChange(transition: .ignore, task: task, response: nil)
        }
        if let change = lateRecord(of: delivery, by: event, of: task, at: now) { return change }
        return apply(.calledBack(delivery), event, to: task, attempt: attempt, at: now, schedule: schedule)
    }

    /// The same with a due time that does not depend on what becomes of the task.
    package static func apply(
        _ event: TaskEvent, to task: TrackedTask, attempt: Int? = nil, at now: Timestamp, nextDueAt: Timestamp?
    ) -> TaskChange {
        apply(event, to: task, attempt: attempt, at: now) { _ in nextDueAt }
    }

    /// `event` decides; `cause` is its name in the log.
    private static func apply(
        _ event: TaskEvent, _ cause: TaskEvent, to task: TrackedTask, attempt: Int?, at now: Timestamp,
        schedule: (TrackedTask) -> Timestamp?
    ) -> TaskChange {
        // Said once of a task, however often it is found to be so.
        let isRepeated = event == .slowerThanUsual && task.slowAt != nil
        let transition =
            isRepeated
            ? .ignore
            : transition(
                from: task.state, on: event, hasRemoteID: task.remoteID != nil,
                isKnownByCallback: task.callbacks.remoteID != nil, isCalledBack: task.callbacks.count > 0,
                isEarlierAttempt: attempt.map { $0 < task.attempts } ?? false, wasLost: task.wasLost)
        var change: TaskChange
        switch transition {
        case .ignore, .refuse, .noteLateRecord:
            return TaskChange(transition: transition, task: task.noting(cause, at: now), response: nil)
        case .note:
            var detail = event.failureDetail
            detail["attempt"] = .number(JSONNumber(attempt ?? task.attempts))
            let entry = TaskLogEntry(at: now, kind: cause.kind, from: task.state, to: task.state, detail: detail)
            return TaskChange(transition: transition, task: task, response: nil, logEntries: [entry])
        case .noteLateResult:
            let detail = JSONObject([("record", event.lateRecord)])
            let entry = TaskLogEntry(at: now, kind: "late_result", from: task.state, to: task.state, detail: detail)
            return TaskChange(
                transition: transition, task: task.noting(cause, at: now), response: nil, logEntries: [entry])
        case .update:
            var changed = task
            changed.absorb(event, because: cause, at: now)
            // An open task without a due time would never be looked at again.
            changed.nextDueAt = schedule(changed) ?? task.nextDueAt ?? now
            change = TaskChange(transition: transition, task: changed, response: event.record(leadingTo: task.state))
            let showsNewRecords =
                !(changed.attempt?.possibleIDs.isEmpty ?? true)
                && changed.attempt?.possibleIDs != task.attempt?.possibleIDs
            if event.isWorthALine || showsNewRecords {
                change.logEntries = [
                    TaskLogEntry(
                        at: now, kind: cause.kind, from: task.state, to: task.state, detail: event.detail(for: changed))
                ]
            }
        case .advance(let state):
            var changed = task
            changed.absorb(event, because: cause, at: now)
            changed.state = state
            changed.outcomeSource = state == .succeeded || state == .failed ? cause.source : nil
            if task.state == .submitting, state == .running { changed.runAsCalledBack() }
            // Whatever settled an earlier attempt, this one is not settled.
            if state == .uncertain { changed.resolution = nil }
            changed.endedAt = state.hasEnded ? now : nil
            // A delivery that came before anybody could ask wants its answer now.
            let isAskedNow = state == .running && changed.isCalledBack
            changed.nextDueAt = state.hasEnded ? nil : isAskedNow ? now : schedule(changed) ?? now
            let entry = TaskLogEntry(
                at: now, kind: cause.kind, from: task.state, to: state, detail: event.detail(for: changed))
            change = TaskChange(
                transition: transition, task: changed, response: event.record(leadingTo: state), logEntries: [entry])
            change.noteSecondAcceptance(after: task, at: now)
        }
        change.attempts = attemptChange(by: event, from: task, to: change.task, at: now)
        return change
    }

    /// What a reply or record that no attempt under way waits for proves: the provider has accepted that attempt. It then
    /// leads where a callback of the attempt would.
    private static func lateAcceptance(by event: TaskEvent, of task: TrackedTask, attempt: Int?) -> CallbackDelivery? {
        if case .calledBack(let delivery) = event { return delivery }
        let number = attempt ?? task.attempts
        if task.state == .submitting, number == task.attempts { return nil }
        return event.acceptance(of: number)
    }

    /// The change where the id is not, and will not be, the one that the task goes on with; nil otherwise.
    private static func lateRecord(
        of delivery: CallbackDelivery, by event: TaskEvent, of task: TrackedTask, at now: Timestamp
    ) -> TaskChange? {
        guard let id = delivery.remoteID, id != task.remoteID else { return nil }
        // Some providers name parts of a task in its callbacks, so an id of the same attempt proves no second one.
        let isSecond = task.remoteID != nil && (!event.isDelivery || delivery.attempt < task.attempts)
        let isFirst = task.remoteID == nil && task.state.hasEnded
        guard isSecond || isFirst else { return nil }
        var changed = task
        if isFirst { changed.remoteID = id }
        changed = changed.noting(event, at: now)
        // It is counted, and says nothing about the attempt that counts.
        if event.isDelivery, !task.state.hasEnded { changed.callbacks.count += 1 }
        let entry = TaskLogEntry.lateRecord(
            id, attempt: delivery.attempt, in: task.state, isBilledTwice: isSecond, at: now)
        var change = TaskChange(transition: .noteLateRecord, task: changed, response: nil, logEntries: [entry])
        change.attempts.found = (delivery.attempt, id)
        return change
    }

    private static func attemptChange(
        by event: TaskEvent, from old: TrackedTask, to new: TrackedTask, at now: Timestamp
    ) -> AttemptChange {
        var change = AttemptChange()
        if case .calledBack(let delivery) = event, let id = delivery.remoteID {
            change.found = (delivery.attempt, id)
        }
        guard let attempt = old.attempt else { return change }
        if old.state == .queued, new.state == .uncertain { change.resumed = attempt.number }
        var isGivenUp = false
        switch event {
        case .resubmitted, .givenUp: isGivenUp = old.state == .uncertain
        // Another attempt was accepted, so this one goes on unseen.
        case .calledBack(let delivery):
            isGivenUp = old.state == .uncertain && new.state != .uncertain && delivery.attempt != attempt.number
        case .submissionInterrupted:
            isGivenUp =
                old.state == .submitting && new.state == .running
                && old.callbacks.attempt.map { $0 < attempt.number }
                    ?? false
        default: break
        }
        guard isGivenUp else { return change }
        var lost = new.attempt?.number == attempt.number ? new.attempt ?? attempt : attempt
        lost.endedAt = lost.endedAt ?? now
        change.givenUp = GivenUpAttempt(
            task: old.id, attempt: lost, endedWithDaemon: old.failure?.code == TaskFailure.daemonStopped,
            givenUpAt: now)
        return change
    }
}

extension TaskChange {
    /// Tells of the earlier attempt whose acceptance became known while the accepted one was being sent.
    fileprivate mutating func noteSecondAcceptance(after old: TrackedTask, at now: Timestamp) {
        guard old.state == .submitting, let kept = old.callbacks.remoteID, let number = old.callbacks.attempt,
            number < old.attempts, let id = task.remoteID, id != kept
        else { return }
        logEntries.append(
            .lateRecord(kept, attempt: number, in: task.state, isBilledTwice: true, at: now))
    }
}

extension TaskLogEntry {
    fileprivate static func lateRecord(
        _ id: RemoteTaskID, attempt: Int, in state: TaskState, isBilledTwice: Bool, at now: Timestamp
    ) -> TaskLogEntry {
        TaskLogEntry(
            at: now, kind: "late_record", from: state, to: state,
            detail: JSONObject([
                ("attempt", .number(JSONNumber(attempt))), ("remote_id", .string(id.text)),
                ("billed_twice", .bool(isBilledTwice)),
            ]))
    }
}

extension TrackedTask {
    /// Takes over the facts that an event brings; the state is not its business.
    fileprivate mutating func absorb(_ event: TaskEvent, because cause: TaskEvent, at now: Timestamp) {
        switch event {
        case .submissionStarted(let callback):
            attempts += 1
            attempt = Attempt(number: attempts, startedAt: now, callback: callback)
            failure = nil
        case .submissionAccepted(let id, let trace, let url):
            attempt?.endedAt = now
            pollURL = url
            accept(id, trace: trace)
        case .submissionAnswered(let observation, let id):
            attempt?.endedAt = now
            submittedAt = attempt?.startedAt
            ageFrom = submittedAt
            remoteID = id ?? remoteID
            absorb(observation, at: now)
        case .submissionNotAccepted(let reason), .submissionRefused(let reason):
            attempt?.endedAt = now
            failure = reason
        case .submissionInterrupted(let reason, let isProbablyRefused):
            attempt?.endedAt = now
            attempt?.isProbablyRefused = isProbablyRefused
            failure = reason
        case .absentFromList:
            let firstAbsentAt = attempt?.firstAbsentAt ?? now
            attempt?.absentReadings += 1
            attempt?.firstAbsentAt = firstAbsentAt
            attempt?.possibleIDs = []
        case .lookupUndecided(let possible):
            guard !possible.isEmpty || state == .queued else { break }
            attempt?.possibleIDs = Array(possible.prefix(Attempt.mostPossibleIDs))
            // What was not there before is no reason to trust that it was not there.
            attempt?.absentReadings = 0
            attempt?.firstAbsentAt = nil
        case .foundInList(let id, let trace):
            accept(id, trace: trace)
            resolution = .foundInList
        case .foundByOwnID(let id, let trace):
            accept(id, trace: trace)
            resolution = .foundByOwnID
        case .adopted(let id):
            accept(id, trace: nil)
            resolution = .adopted
        case .resubmitted(let how):
            resolution = how
        case .givenUp(let reason, let how):
            failure = reason
            resolution = how
        case .observed(let observation):
            polls += 1
            misses = 0
            firstMissAt = nil
            if observation.verdict == .pending { lastPendingAt = observation.askedAt ?? now }
            absorb(observation, at: now)
        case .calledBack(let delivery):
            take(delivery, because: cause, at: now)
        case .endedByCallback(let observation):
            if state == .uncertain {
                submittedAt = attempt?.startedAt
                ageFrom = submittedAt
                resolution = .calledBack
            }
            absorb(observation, at: now)
        case .slowerThanUsual:
            slowAt = now
        case .missed:
            polls += 1
            misses += 1
            firstMissAt = firstMissAt ?? now
        case .vanished:
            polls += 1
            misses += 1
            firstMissAt = firstMissAt ?? now
            failure = .remoteTaskNotFound
        case .reopenRequested:
            failure = nil
            deadline = nil
            lastPendingAt = nil
            misses = 0
            firstMissAt = nil
            if submittedAt == nil {
                submittedAt = attempt?.startedAt
                ageFrom = submittedAt
                resolution = .foundInList
            }
        // Turned into a delivery before it gets here.
        case .turnedUp, .replyTooLarge, .cancelRequested, .deadlinePassed:
            break
        }
    }

    /// The task with a delivery counted that came after its end, where the task may be reopened: if the provider has
    /// forgotten it by then, what was delivered is all there is.
    fileprivate func noting(_ event: TaskEvent, at now: Timestamp) -> TrackedTask {
        guard case .calledBack(let delivery) = event, mayBeReopened else { return self }
        var changed = self
        changed.callbacks.count(delivery, at: now)
        return changed
    }

    /// Takes over what a delivery proves; what it claims is for one poll to find out, where there is anything to ask for.
    private mutating func take(_ delivery: CallbackDelivery, because cause: TaskEvent, at now: Timestamp) {
        callbacks.count(delivery, at: now)
        guard state == .uncertain || state == .queued else { return }
        let how: Resolution
        switch cause {
        case .submissionAccepted(_, let trace, let url):
            how = .lateReply
            pollURL = url
            traceID = trace ?? traceID
        case .submissionAnswered: how = .lateReply
        case .turnedUp(_, let trace):
            how = .foundInList
            traceID = trace ?? traceID
        default: how = .calledBack
        }
        if let id = delivery.remoteID {
            accept(id, trace: delivery.observation?.traceID)
            resolution = how
        } else if let observation = delivery.observation, delivery.isFinal {
            submittedAt = attempt?.startedAt
            ageFrom = submittedAt
            resolution = how
            absorb(observation, at: now)
        }
    }

    /// Runs under the id that a callback told where the reply to the submission told none.
    fileprivate mutating func runAsCalledBack() {
        guard remoteID == nil, let id = callbacks.remoteID else { return }
        accept(id, trace: nil)
        resolution = .calledBack
    }

    private mutating func accept(_ id: RemoteTaskID, trace: String?) {
        remoteID = id
        traceID = trace ?? traceID
        submittedAt = attempt?.startedAt
        ageFrom = submittedAt
        lastPendingAt = nil
        waited = nil
        progressAt = nil
        failure = nil
    }

    private mutating func absorb(_ observation: Observation, at now: Timestamp) {
        if let start = observation.startedAt, let from = observation.createdAt ?? submittedAt {
            waited = max(start - from, .zero)
        }
        if let percent = observation.progress, percent != progress { progressAt = now }
        traceID = observation.traceID ?? traceID
        startedAt = observation.startedAt ?? startedAt
        finishedAt = observation.finishedAt ?? finishedAt
        progress = observation.progress ?? progress
        switch observation.verdict {
        case .pending:
            break
        case .succeeded(let partial):
            isPartial = partial
            progress = progress == nil ? nil : 100
            failure = nil
        case .failed(let reason):
            failure = reason
        }
    }
}
