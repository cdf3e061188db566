import TaskModel
import TaskStore
import TaskTesting
import VerbatimJSON

/// The real store with one of its promises broken.
struct BrokenStore: StoreWrapper {
    /// Which promise.
    enum Fault: Sendable {
        /// Says that the intent is on disk, and does not write it.
        case forgetsIntent
        /// Says that a task is on disk, and does not write it.
        case losesAccepted
        /// Knows no idempotency keys.
        case ignoresKeys
        /// Sees nothing in flight.
        case seesNoneInFlight
        /// What a dead daemon was sending goes back to the queue.
        case resendsAfterCrash
        /// Sends again what a person should decide about.
        case resendsHeld
        /// Gives up at once what a list does not show.
        case believesFirstReading
        /// Never looks again at a task that it has put off.
        case forgetsPutOff
        /// Says that nothing was stored, after storing it.
        case reportsStoredAsFull
        /// Finds no lost submission in any list.
        case findsNothing
        /// Takes what a list shows for missing, where a policy has such a task sent again.
        case overlooksListed
        /// Takes a record that may be the task's for another's.
        case excludesPossible
        /// Takes what a person tracks for a task of its own.
        case trustsTracked
        /// Lets any task of the service vouch for the list.
        case mixesControls
        /// Takes every member that strangers send for a default.
        case explainsEverything
        /// Sends again without looking once more.
        case skipsLastLook
        /// Forgets a reply whose attempt is not waited for any more.
        case dropsLateReplies
        /// Says nothing of a record that turns up.
        case ignoresLateRecords
        /// Takes what a callback says for what is so.
        case believesCallbacks
        /// Takes any token for somebody's.
        case believesAnyToken
        /// Says that a delivery is on disk, and does not write it.
        case dropsDeliveries
    }

    let fault: Fault
    let base: any TaskStore

    func insert(_ submission: NewTask) async throws(TaskStoreError) -> Insertion {
        switch fault {
        case .losesAccepted where submission.task.id.text.hasSuffix("0"): return .created
        case .ignoresKeys:
            return try await base.insert(NewTask(task: submission.task, payload: submission.payload))
        case .reportsStoredAsFull where submission.task.id.text.hasSuffix("0"):
            _ = try await base.insert(submission)
            throw .full
        default: return try await base.insert(submission)
        }
    }

    func apply(
        _ event: TaskEvent, to id: TaskID, at now: Timestamp, nextDueAt: Timestamp?
    ) async throws(TaskStoreError) -> TaskChange? {
        if case .forgetsIntent = fault, case .submissionStarted = event, let task = try await base.task(id) {
            return TaskLifecycle.apply(event, to: task, at: now, nextDueAt: nextDueAt)
        }
        return try await base.apply(event, to: id, at: now, nextDueAt: nextDueAt)
    }

    func apply(
        _ batch: [PlannedEvent], at now: Timestamp, teaching lessons: [Lesson]
    ) async throws(TaskStoreError) -> [TaskChange] {
        if case .dropsLateReplies = fault, let planned = batch.first, let attempt = planned.attempt,
            let task = try await base.task(planned.task), task.state != .submitting || attempt < task.attempts
        {
            return []
        }
        // Where no token goes out: the one that the engine has drawn is not known here.
        if case .skipsLastLook = fault, let planned = batch.first, case .lookupUndecided = planned.event,
            let task = try await base.task(planned.task), task.state == .queued, task.attempt?.callback == nil
        {
            let start = PlannedEvent(.submissionStarted(), for: planned.task, nextDueAt: now + .seconds(60))
            return try await base.apply([start], at: now, teaching: lessons)
        }
        if case .dropsDeliveries = fault, batch.contains(where: { $0.event.kind == "called_back" }) { return [] }
        return try await base.apply(batch.flatMap { [broken($0)] + believed($0) }, at: now, teaching: lessons)
    }

    func owner(of digest: CallbackDigest) async throws(TaskStoreError) -> CallbackOwner? {
        let owner = try await base.owner(of: digest)
        guard owner == nil, case .believesAnyToken = fault else { return owner }
        return try await base.tasks(in: .running, limit: 1).first.map {
            CallbackOwner(task: $0, attempt: 1, deliveries: 0, hadFinal: false)
        }
    }

    /// What a callback says, as if a poll had said it.
    private func believed(_ planned: PlannedEvent) -> [PlannedEvent] {
        guard case .believesCallbacks = fault, case .calledBack(let delivery) = planned.event,
            let observation = delivery.observation, delivery.isFinal
        else { return [] }
        return [PlannedEvent(.observed(observation), for: planned.task, nextDueAt: planned.nextDueAt)]
    }

    private func broken(_ planned: PlannedEvent) -> PlannedEvent {
        guard case .submissionInterrupted(let failure, _) = planned.event else { return planned }
        let isCrash = failure.code == "daemon_stopped"
        if case .resendsAfterCrash = fault, isCrash {
            return PlannedEvent(.submissionNotAccepted(failure), for: planned.task, nextDueAt: planned.nextDueAt)
        }
        return planned
    }

    func settle(
        service: String, attemptedIn window: ClosedRange<Timestamp>, candidates: Set<RemoteTaskID>, at now: Timestamp,
        deciding decide: @escaping @Sendable (UncertainView) -> [PlannedEvent]
    ) async throws(TaskStoreError) -> [TaskChange] {
        let fault = fault
        return try await base.settle(service: service, attemptedIn: window, candidates: candidates, at: now) { view in
            var view = view
            if case .trustsTracked = fault {
                view = UncertainView(
                    uncertain: view.uncertain, submitting: view.submitting, givenUp: view.givenUp,
                    owned: view.owned.union(view.named), named: [])
            }
            return decide(view).compactMap { planned in
                if case .ignoresLateRecords = fault, case .turnedUp = planned.event { return nil }
                if case .excludesPossible = fault, case .lookupUndecided(let possible) = planned.event,
                    !possible.isEmpty,
                    let task = view.uncertain.first(where: { $0.task.id == planned.task })?.task,
                    task.onUncertain == .resubmitIfAbsent, task.callbacks.count == 0
                {
                    let isProven =
                        task.attempt.map {
                            $0.absentReadings >= 2 && now - ($0.firstAbsentAt ?? now) >= .seconds(120)
                        } ?? false
                    return PlannedEvent(
                        isProven ? .resubmitted(.resubmittedByPolicy) : .absentFromList, for: planned.task,
                        nextDueAt: planned.nextDueAt)
                }
                if case .overlooksListed = fault, case .foundInList = planned.event,
                    let task = view.uncertain.first(where: { $0.task.id == planned.task })?.task,
                    task.onUncertain == .resubmitIfAbsent, let attempt = task.attempt
                {
                    let isProven =
                        attempt.absentReadings >= 2 && now - (attempt.firstAbsentAt ?? now) >= .seconds(120)
                    return PlannedEvent(
                        isProven ? .resubmitted(.resubmittedByPolicy) : .absentFromList, for: planned.task,
                        nextDueAt: planned.nextDueAt)
                }
                if case .findsNothing = fault, case .foundInList = planned.event {
                    return PlannedEvent(.lookupUndecided(), for: planned.task, nextDueAt: planned.nextDueAt)
                }
                guard case .absentFromList = planned.event else { return planned }
                switch fault {
                case .resendsHeld:
                    return PlannedEvent(
                        .resubmitted(.resubmittedByPolicy), for: planned.task, nextDueAt: planned.nextDueAt)
                case .believesFirstReading:
                    let lost = TaskFailure.submissionLost(because: "it is not there")
                    return PlannedEvent(.givenUp(lost, .givenUpByPolicy), for: planned.task, nextDueAt: nil)
                default: return planned
                }
            }
        }
    }

    func givenUpAttempts(of task: TaskID) async throws(TaskStoreError) -> [GivenUpAttempt] {
        if case .skipsLastLook = fault { return [] }
        return try await base.givenUpAttempts(of: task)
    }

    func acceptedNeighbours(
        of id: TaskID, within span: Duration, limit: Int, maxBytes: Int
    ) async throws(TaskStoreError) -> [StoredTask] {
        let near = try await base.acceptedNeighbours(of: id, within: span, limit: limit, maxBytes: maxBytes)
        switch fault {
        case .mixesControls:
            var others: [StoredTask] = []
            for state in [TaskState.running, .succeeded] {
                for task in try await base.tasks(in: state, limit: 10) where task.wasSeenAccepted {
                    if let stored = try await base.taskWithPayload(task.id) { others.append(stored) }
                }
            }
            return near + others
        case .explainsEverything:
            return near.map { stored in
                var payload = stored.payload
                var request = payload.request.object ?? JSONObject()
                request["mode"] = "turbo"
                payload.response = ["id": "any", "request": .object(request)]
                return StoredTask(task: stored.task, payload: payload)
            }
        default: return near
        }
    }

    func postpone(_ ids: [TaskID], until nextDueAt: Timestamp) async throws(TaskStoreError) {
        if case .forgetsPutOff = fault {
            return try await base.postpone(ids, until: nextDueAt + .seconds(1_000_000_000))
        }
        try await base.postpone(ids, until: nextDueAt)
    }

    func counts() async throws(TaskStoreError) -> [TaskCount] {
        let counts = try await base.counts()
        guard case .seesNoneInFlight = fault else { return counts }
        return counts.filter { $0.state != .submitting && $0.state != .running }
    }
}
