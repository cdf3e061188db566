package import VerbatimJSON

/// What is written for an event: the row as it becomes, and the line of the log.
package struct TaskChange: Sendable, Hashable {
    /// What the state machine said.
    package let transition: Transition
    /// The task as it is from now on.
    package let task: TrackedTask
    /// The provider's record to keep from now on, if the event brought one.
    package let response: JSONValue?
    /// The line for the log, if the event is worth one.
    package let logEntry: TaskLogEntry?
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
    /// The task as the event leaves it, and its line for the log.
    ///
    /// `nextDueAt` is when the engine wants to look again; it is dropped where the task ends.
    package static func apply(
        _ event: TaskEvent, to task: TrackedTask, at now: Timestamp, nextDueAt: Timestamp?
    ) -> TaskChange {
        // Said once of a task, however often it is found to be so.
        let isRepeated = event == .slowerThanUsual && task.slowAt != nil
        let transition =
            isRepeated
            ? .ignore
            : transition(
                from: task.state, on: event, hasRemoteID: task.remoteID != nil,
                isKnownByCallback: task.callbacks.remoteID != nil, isCalledBack: task.callbacks.count > 0)
        switch transition {
        case .ignore, .refuse:
            return TaskChange(
                transition: transition, task: task.noting(event, at: now), response: nil, logEntry: nil)
        case .noteLateResult:
            let detail = JSONObject([("record", event.lateRecord)])
            let entry = TaskLogEntry(at: now, kind: "late_result", from: task.state, to: task.state, detail: detail)
            return TaskChange(
                transition: transition, task: task.noting(event, at: now), response: nil, logEntry: entry)
        case .update:
            var changed = task
            changed.absorb(event, at: now)
            // An open task without a due time would never be looked at again.
            changed.nextDueAt = nextDueAt ?? task.nextDueAt ?? now
            let entry =
                event.isWorthALine
                ? TaskLogEntry(
                    at: now, kind: event.kind, from: task.state, to: task.state, detail: event.detail(for: changed))
                : nil
            return TaskChange(
                transition: transition, task: changed, response: event.record(leadingTo: task.state), logEntry: entry)
        case .advance(let state):
            var changed = task
            changed.absorb(event, at: now)
            changed.state = state
            changed.outcomeSource = state == .succeeded || state == .failed ? event.source : nil
            if task.state == .submitting, state == .running { changed.runAsCalledBack() }
            // Whatever settled an earlier attempt, this one is not settled.
            if state == .uncertain { changed.resolution = nil }
            changed.endedAt = state.hasEnded ? now : nil
            changed.nextDueAt = state.hasEnded ? nil : nextDueAt ?? now
            // A delivery that came before anybody could ask wants its answer now.
            if state == .running, changed.isCalledBack { changed.nextDueAt = now }
            let entry = TaskLogEntry(
                at: now, kind: event.kind, from: task.state, to: state, detail: event.detail(for: changed))
            return TaskChange(
                transition: transition, task: changed, response: event.record(leadingTo: state), logEntry: entry)
        }
    }
}

extension TrackedTask {
    /// Takes over the facts that an event brings; the state is not its business.
    fileprivate mutating func absorb(_ event: TaskEvent, at now: Timestamp) {
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
            take(delivery, at: now)
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
        case .lookupUndecided, .cancelRequested, .deadlinePassed:
            break
        }
    }

    /// The task with a delivery counted that came after a person or a deadline stopped it: it may be reopened, and if the
    /// provider has forgotten it by then, what was delivered is all there is.
    fileprivate func noting(_ event: TaskEvent, at now: Timestamp) -> TrackedTask {
        guard case .calledBack(let delivery) = event, state.isReopenable else { return self }
        var changed = self
        changed.callbacks.count(delivery, at: now)
        return changed
    }

    /// Takes over what a delivery proves; what it claims is for one poll to find out, where there is anything to ask for.
    private mutating func take(_ delivery: CallbackDelivery, at now: Timestamp) {
        callbacks.count(delivery, at: now)
        guard state == .uncertain || state == .queued else { return }
        if let id = delivery.remoteID {
            accept(id, trace: delivery.observation?.traceID)
            resolution = .calledBack
        } else if let observation = delivery.observation, delivery.isFinal {
            submittedAt = attempt?.startedAt
            ageFrom = submittedAt
            resolution = .calledBack
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
