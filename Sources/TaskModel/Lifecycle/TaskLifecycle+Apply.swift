package import VerbatimJSON

/// The effect of an event: the new row and the log entries.
package struct TaskChange: Sendable, Hashable {
    /// The decision of the state machine.
    package let transition: Transition
    /// The task after the event.
    package var task: TrackedTask
    /// The provider's record to store, if the event contains one.
    package let response: JSONValue?
    /// The log entries: none, one, or two if the event also shows that the provider accepted two attempts.
    package var logEntries: [TaskLogEntry] = []
    /// The effect on the task's given-up attempts.
    package var attempts = AttemptChange()
    /// Whether the event had no effect because a budget has no room for the attempt.
    package private(set) var isHeld = false

    /// The first log entry.
    package var logEntry: TaskLogEntry? { logEntries.first }
}

extension TaskChange {
    /// The task stays in the queue, because a budget has no room for it.
    package static func held(_ task: TrackedTask) -> TaskChange {
        var change = unchanged(task)
        change.isHeld = true
        return change
    }

    /// No event has changed the task.
    package static func unchanged(_ task: TrackedTask) -> TaskChange {
        TaskChange(transition: .ignore, task: task, response: nil)
    }

    /// The request of a person is not possible.
    package static func refused(_ refusal: LifecycleRefusal, _ task: TrackedTask) -> TaskChange {
        TaskChange(transition: .refuse(refusal), task: task, response: nil)
    }
}

/// The effect of a change on the given-up attempts of a task.
package struct AttemptChange: Sendable, Hashable {
    /// An attempt that is now given up: its task continues or ends without an id from it.
    package var givenUp: GivenUpAttempt?
    /// The number of the attempt that becomes the task's uncertain one again.
    package var resumed: Int?
    /// The attempt that was accepted, and its remote id.
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

/// A log entry before the store assigns its sequence number.
package struct TaskLogEntry: Sendable, Hashable {
    package let at: Timestamp
    /// A stable word, see ``TaskEvent/kind``.
    package let kind: String
    package let from: TaskState?
    package let to: TaskState
    /// Further details as JSON.
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
    /// Applies an event to a task: returns the changed task and its log entries.
    ///
    /// `attempt` is the number of the attempt that the reply belongs to; nil for the latest. `schedule` computes the
    /// next due time from the changed task. It is called at most once, and not if the task ends.
    package static func apply(
        _ event: TaskEvent, to task: TrackedTask, attempt: Int? = nil, at now: Timestamp,
        schedule: (TrackedTask) -> Timestamp?
    ) -> TaskChange {
        guard let delivery = lateAcceptance(by: event, of: task, attempt: attempt) else {
            return apply(event, event, to: task, attempt: attempt, at: now, schedule: schedule)
        }
        // The same reply again, for example after a commit with an unknown outcome.
        if task.remoteID != nil, delivery.remoteID == task.remoteID, !event.isDelivery {
            return TaskChange(transition: .ignore, task: task, response: nil)
        }
        if let change = lateRecord(of: delivery, by: event, of: task, at: now) { return change }
        return apply(.calledBack(delivery), event, to: task, attempt: attempt, at: now, schedule: schedule)
    }

    /// The same with a due time that does not depend on the changed task.
    package static func apply(
        _ event: TaskEvent, to task: TrackedTask, attempt: Int? = nil, at now: Timestamp, nextDueAt: Timestamp?
    ) -> TaskChange {
        apply(event, to: task, attempt: attempt, at: now) { _ in nextDueAt }
    }

    /// `event` decides the change; `cause` names it in the log.
    private static func apply(
        _ event: TaskEvent, _ cause: TaskEvent, to task: TrackedTask, attempt: Int?, at now: Timestamp,
        schedule: (TrackedTask) -> Timestamp?
    ) -> TaskChange {
        // Logged only once per task.
        let isRepeated = event == .slowerThanUsual && task.slowAt != nil
        let usual =
            isRepeated
            ? .ignore
            : transition(
                from: task.state, on: event, hasRemoteID: task.remoteID != nil,
                isKnownByCallback: task.callbacks.remoteID != nil, isCalledBack: task.callbacks.count > 0,
                isEarlierAttempt: event.isEarlier(attempt, in: task), wasLost: task.wasLost)
        let transition = task.isStub ? usual.withoutDetails : usual
        var change: TaskChange
        switch transition {
        case .ignore, .refuse, .noteLateRecord:
            return TaskChange(transition: transition, task: task.noting(cause, at: now), response: nil)
        case .note:
            var detail = event.failureDetail
            detail["attempt"] = .number(JSONNumber(attempt ?? task.attempts))
            for member in event.journalDetail.members { detail[member.name] = member.value }
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
            // An open task without a due time would never be handled again.
            changed.nextDueAt = schedule(changed) ?? task.nextDueAt ?? now
            change = TaskChange(transition: transition, task: changed, response: event.record(leadingTo: task.state))
            let showsNewRecords =
                !(changed.attempt?.possibleIDs.isEmpty ?? true)
                && changed.attempt?.possibleIDs != task.attempt?.possibleIDs
            if event.isLogged || showsNewRecords {
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
            // A resolution of an earlier attempt does not resolve this one.
            if state == .uncertain { changed.resolution = nil }
            changed.endedAt = state.hasEnded ? now : nil
            // A callback arrived before the task had an id, so the task is polled now.
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

    /// The acceptance that a late reply or record proves, as a delivery of its attempt. It then has the effect of
    /// that attempt's callback.
    private static func lateAcceptance(by event: TaskEvent, of task: TrackedTask, attempt: Int?) -> CallbackDelivery? {
        if case .calledBack(let delivery) = event { return delivery }
        let number = attempt ?? task.attempts
        if task.state == .submitting, number == task.attempts { return nil }
        return event.acceptance(of: number)
    }

    /// The change for a remote id that does not become the task's; nil otherwise.
    private static func lateRecord(
        of delivery: CallbackDelivery, by event: TaskEvent, of task: TrackedTask, at now: Timestamp
    ) -> TaskChange? {
        guard let id = delivery.remoteID, id != task.remoteID else { return nil }
        // Some providers' callbacks name parts of a task, so a second id of the same attempt does not prove a second
        // acceptance.
        let isSecond = task.remoteID != nil && (!event.isDelivery || delivery.attempt < task.attempts)
        let isFirst = task.remoteID == nil && task.state.hasEnded
        guard isSecond || isFirst else { return nil }
        var changed = task
        if isFirst { changed.remoteID = id }
        changed = changed.noting(event, at: now)
        // Counts the delivery, which says nothing about the current attempt.
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
        if old.state == .queued, new.state == .uncertain, new.attempts == old.attempts {
            change.resumed = attempt.number
        }
        var isGivenUp = false
        switch event {
        case .resubmitted, .givenUp: isGivenUp = old.state == .uncertain
        // Another attempt was accepted, so this one continues unobserved.
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
            task: old.id, attempt: lost, account: old.account,
            endedWithDaemon: old.failure?.code == TaskFailure.daemonStopped,
            givenUpAt: now)
        return change
    }
}

extension Transition {
    /// The effect on a task whose details were removed. It cannot be tracked again, and no document is stored for it. A
    /// remote id that appears late is still stored.
    fileprivate var withoutDetails: Transition {
        switch self {
        case .advance, .update: .refuse(.detailsRemoved)
        case .note, .noteLateResult: .ignore
        case .ignore, .refuse, .noteLateRecord: self
        }
    }
}

extension TaskChange {
    /// Logs an earlier attempt whose acceptance became known while a later one was being sent.
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
    /// Stores the facts of an event. The state is set elsewhere.
    fileprivate mutating func absorb(_ event: TaskEvent, because cause: TaskEvent, at now: Timestamp) {
        switch event {
        case .submissionStarted(let callback, let account):
            attempts += 1
            self.account = account
            attempt = Attempt(number: attempts, startedAt: now, callback: callback)
            failure = nil
        case .perhapsSent(let since, let possible):
            attempts += 1
            account = .unknown
            attempt = Attempt(
                number: attempts, startedAt: min(since, now), endedAt: now,
                possibleIDs: Array(possible.prefix(Attempt.maxPossibleIDs)))
            failure = TaskFailure(
                code: TaskFailure.perhapsSent,
                message: possible.isEmpty
                    ? "The database is an older copy. The task was queued in it and may have been sent since."
                    : "The task was queued when the daemon started, and the provider lists a record that may be its own."
            )
        case .foundInJournal(let found, let account):
            attempts = found.number
            self.account = account
            attempt = Attempt(
                number: found.number, startedAt: found.startedAt, endedAt: now, callback: found.callback)
            failure = TaskFailure(
                code: TaskFailure.replyLost,
                message:
                    "The database has lost that the request was sent. The journal of the machine that sent it shows it."
            )
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
            attempt?.possibleIDs = Array(possible.prefix(Attempt.maxPossibleIDs))
            // A record that appears late shows that earlier absences proved nothing.
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
            notFoundCount = 0
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
            notFoundCount += 1
            firstMissAt = firstMissAt ?? now
        case .remoteTaskGone:
            polls += 1
            notFoundCount += 1
            firstMissAt = firstMissAt ?? now
            failure = .remoteTaskNotFound
        case .reopenRequested:
            failure = nil
            deadline = nil
            lastPendingAt = nil
            notFoundCount = 0
            firstMissAt = nil
            removed = removed?.withoutResponse
            if submittedAt == nil {
                submittedAt = attempt?.startedAt
                ageFrom = submittedAt
                resolution = .foundInList
            }
        // `turnedUp` has already become a delivery.
        case .turnedUp, .replyTooLarge, .cancelRequested, .deadlinePassed:
            break
        }
    }

    /// Counts a delivery that arrived after the end of a task that may be reopened. The delivery may then be the only
    /// source of its outcome.
    fileprivate func noting(_ event: TaskEvent, at now: Timestamp) -> TrackedTask {
        guard case .calledBack(let delivery) = event, mayBeReopened else { return self }
        var changed = self
        changed.callbacks.count(delivery, at: now)
        return changed
    }

    /// Stores what a delivery proves. If the task can be polled, one poll then verifies the delivery's claims.
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

    /// Uses the id from a callback if the submission's reply contained none.
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
            resultCount = observation.results.count
            progress = progress == nil ? nil : 100
            failure = nil
        case .failed(let reason):
            failure = reason
        }
    }
}

extension TaskEvent {
    /// Whether it is about an attempt before the task's latest, or about one whose number the task has already used.
    fileprivate func isEarlier(_ attempt: Int?, in task: TrackedTask) -> Bool {
        if case .foundInJournal(let found, _) = self {
            return task.wasPerhapsSent ? found.number < task.attempts : found.number <= task.attempts
        }
        return attempt.map { $0 < task.attempts } ?? false
    }
}
