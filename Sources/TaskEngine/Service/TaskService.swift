import ProviderCatalog
package import TaskModel
import TaskStore
import VerbatimJSON

/// Accepts and shows tasks, and applies the decisions of programs and users.
///
/// A call returns after the change is on disk.
package struct TaskService: Sendable {
    let store: TaskStore
    @Current var catalog: ProviderCatalog
    let admission: AdmissionControl
    let storage: StorageMonitor
    let newTasks: NewTaskBuilder
    let cancellation: RemoteCancellation
    let sampler: CompletionSampler
    let forecaster: TaskForecaster
    let feed: EventFeed
    /// Files of results that are being fetched.
    package let fetching: InFlightArtefacts
    let wakes: WakeSignals
    let time: any TimeSource
    let passed: @Sendable (CrashPoint) -> Void

    /// Stores a task. `isNew` is false if its idempotency key belongs to an existing task, or if it joins one.
    package func submit(
        _ submission: Submission
    ) async throws(TaskServiceError) -> (task: TaskWithPayload, isNew: Bool) {
        let task = try newTasks.task(for: submission, at: time.now())
        return try await answer(to: submission, with: task, after: try await insert(task))
    }

    /// Stores many tasks in one commit, in order. Then reports the id or the error of each, in the same order.
    package func submit(
        _ submissions: [Submission], telling tell: (Result<TaskID, TaskServiceError>) -> Void
    ) async throws {
        let tasks = submissions.map { submission in
            Result { () throws(TaskServiceError) in try newTasks.task(for: submission, at: time.now()) }
        }
        var insertions: ArraySlice<InsertResult>
        do throws(TaskStoreError) {
            insertions = try await store.insert(tasks.compactMap { try? $0.get() })[...]
        } catch {
            storage.noteFailedWrite(error)
            for task in tasks {
                switch task {
                case .success: tell(.failure(.store(error)))
                case .failure(let own): tell(.failure(own))
                }
            }
            return
        }
        for (submission, task) in zip(submissions, tasks) {
            do throws(TaskServiceError) {
                let task = try task.get()
                let stored = try await answer(to: submission, with: task, after: insertions.removeFirst()).task
                tell(.success(stored.task.id))
            } catch {
                tell(.failure(error))
            }
        }
    }

    private func answer(
        to submission: Submission, with new: NewTask, after insertion: InsertResult
    ) async throws(TaskServiceError) -> (task: TaskWithPayload, isNew: Bool) {
        switch insertion {
        case .created:
            noteQueued(new.task)
            return (new.stored, true)
        case .tooLate:
            throw .invalidField("deadline", problem: "\(new.task.deadline?.rfc3339 ?? "") has already passed")
        case .keyInUse(let existing, let isSameBody):
            guard let stored = try await find(existing) else {
                // A sweep has just removed the task and its key.
                return try await answer(to: submission, with: new, after: try await insert(new))
            }
            let differences = isSameBody ? [] : submission.differences(from: stored)
            guard !differences.isEmpty else { return (stored, false) }
            throw .keyConflict(
                key: submission.idempotencyKey ?? "", existing: existing, differences: differences)
        case .joined(let existing):
            guard let stored = try await find(existing) else {
                return try await answer(to: submission, with: new, after: try await insert(new))
            }
            return (stored, false)
        case .remoteIDInUse(let owner):
            throw .store(.remoteIDInUse(by: owner))
        case .overBudget(let shortage):
            throw .overBudget(shortage)
        }
    }

    /// Wakes the loops that handle a new task.
    func noteQueued(_ task: TrackedTask) {
        passed(.afterQueued)
        if mayBeSent(task) { wakes.submitter.signal() }
    }

    /// Whether to wake the submitter. It is not woken if only a user can unblock the endpoint, because that wakes it.
    private func mayBeSent(_ task: TrackedTask) -> Bool {
        guard let profile = catalog.endpoint(task.endpoint) else { return false }
        guard let block = admission.block(on: profile, at: task.createdAt) else { return true }
        return block.until != nil
    }

    /// Tracks a task that was submitted elsewhere. `isNew` is false if it is tracked already.
    package func adopt(
        endpoint name: String, remoteID text: String, account: String? = nil, labels: [String: String], priority: Int,
        deadline stated: StatedTime?
    ) async throws(TaskServiceError) -> (task: TaskWithPayload, isNew: Bool) {
        let profile = try catalog.profile(named: name)
        let new = try newTasks.adopted(
            profile, remoteID: text, account: try self.account(named: account, of: profile), labels: labels,
            priority: priority, deadline: stated, at: time.now())
        let task = new.task
        switch try await insert(new) {
        case .created:
            wakes.polls.signal()
            return (new.stored, true)
        case .remoteIDInUse(let owner):
            let existing = try await self.task(owner)
            guard existing.task.endpoint == task.endpoint else { throw .store(.remoteIDInUse(by: owner)) }
            return (existing, false)
        case .tooLate:
            throw .invalidField("deadline", problem: "\(task.deadline?.rfc3339 ?? "") has already passed")
        case .overBudget(let shortage):
            throw .overBudget(shortage)
        case .keyInUse(let existing, _), .joined(let existing):
            return (try await self.task(existing), false)
        }
    }

    /// The account with that name; the first of the provider if there is no name.
    private func account(named name: String?, of profile: EndpointProfile) throws(TaskServiceError) -> AccountName {
        guard let name else { return admission.accounts.first(of: profile.provider) }
        return try admission.accounts.account(named: name, of: profile.provider)
    }

    /// The account with that name, else the only one that may have sent the task. The provider would not know the id
    /// for another account.
    private func account(named name: String?, of task: TrackedTask) async throws(TaskServiceError) -> AccountName? {
        guard let profile = catalog.endpoint(task.endpoint) else { return nil }
        if let name { return try account(named: name, of: profile) }
        let earlier: [GivenUpAttempt]
        do throws(TaskStoreError) { earlier = try await store.givenUpAttempts(of: task.id) } catch {
            throw .store(error)
        }
        let attempts = [(task.account, task.attempt?.startedAt)] + earlier.map { ($0.account, $0.attempt.startedAt) }
        let makers = Set(
            attempts.flatMap { account, startedAt in
                admission.candidates(
                    for: account, of: profile.provider, since: startedAt ?? task.createdAt)
            })
        guard makers.count > 1 else { return makers.first }
        throw .invalidField(
            "account",
            problem:
                "must name the account whose list shows the record: \(makers.sorted().map(\.text).joined(separator: ", ")) may have sent the task"
        )
    }

    /// When the task is expected to end, and why it waits.
    package func forecast(of task: TrackedTask) async -> TaskForecast {
        forecast(of: task, knowing: await forecastFacts(about: task))
    }

    /// What ``forecast(of:knowing:)`` needs from the store.
    package func forecastFacts(about task: TrackedTask) async -> ForecastFacts { await forecaster.facts(about: task) }

    /// When the task is expected to end, and why it waits.
    package func forecast(of task: TrackedTask, knowing facts: ForecastFacts) -> TaskForecast {
        forecaster.forecast(of: task, knowing: facts)
    }

    /// Uncertain tasks of the endpoint that the tracked id may belong to: those whose look-ups found it, else all.
    package func uncertainTasks(fitting task: TrackedTask) async throws(TaskServiceError) -> [TaskID] {
        guard task.isNamedByUser, let id = task.remoteID else { return [] }
        do throws(TaskStoreError) {
            var uncertain: [TrackedTask] = []
            for service in try await store.services(in: .uncertain) where service.service == task.endpoint.service {
                uncertain += try await store.due(
                    in: .uncertain, of: service, by: time.now() + .seconds(86_400 * 365), limit: 100
                ).filter { $0.endpoint == task.endpoint }
            }
            let fitting = uncertain.filter { $0.attempt?.possibleIDs.contains(id) ?? false }
            return (fitting.isEmpty ? uncertain : fitting).map(\.id)
        } catch {
            throw .store(error)
        }
    }

    // MARK: Decisions about a task

    /// Stops tracking the task, and cancels it at the provider if that is supported. It may still be billed.
    package func cancel(_ id: TaskID) async throws(TaskServiceError) -> TaskWithPayload {
        let stored = try await apply(.cancelRequested, to: id)
        await cancellation.request(stored)
        return stored
    }

    /// Notes that an agent was shown the end of the task, so that its next equal submission means a new one.
    package func collect(_ id: TaskID) async throws(TaskServiceError) -> TaskWithPayload {
        do throws(TaskStoreError) {
            try await store.collect(id)
        } catch {
            storage.noteFailedWrite(error)
            throw .store(error)
        }
        return try await committed(id)
    }

    /// Lets a queued task exceed its budgets, once.
    package func approve(_ id: TaskID) async throws(TaskServiceError) -> TaskWithPayload {
        let change: TaskChange?
        do throws(TaskStoreError) { change = try await store.approve(id, at: time.now()) } catch {
            storage.noteFailedWrite(error)
            throw .store(error)
        }
        guard let change else { throw .taskNotFound(id.text) }
        if case .refuse(let refusal) = change.transition { throw .refused(refusal, change.task) }
        wakes.submitter.signal()
        return try await committed(id)
    }

    /// Tracks a cancelled or expired task again.
    package func reopen(_ id: TaskID) async throws(TaskServiceError) -> TaskWithPayload {
        try await apply(.reopenRequested, to: id)
    }

    /// Settles an uncertain task by a user's decision.
    package func resolve(_ id: TaskID, _ decision: UncertainResolution) async throws(TaskServiceError)
        -> TaskWithPayload
    {
        switch decision {
        case .adopt(let text, let name):
            let task = try await task(id).task
            let endpoint = task.endpoint
            guard catalog.endpoint(endpoint)?.dialect.canAskByID ?? true else {
                throw .invalidField(
                    "as",
                    problem:
                        "tasks of \(endpoint) can only be polled at an address from the reply to their submission"
                )
            }
            guard let remoteID = RemoteTaskID(text) else {
                throw .invalidField("remote_id", problem: "must be 1 to 512 characters without spaces")
            }
            let account = try await account(named: name, of: task)
            return try await apply(.adopted(remoteID), to: id, shownTo: account)
        case .resubmit:
            return try await apply(.resubmitted(.resubmitted), to: id)
        case .giveUp:
            return try await apply(.givenUp(.submissionLost(because: "it was given up"), .givenUp), to: id)
        }
    }

    /// Submits the request of an ended task again, as a new task, which is paid for again.
    ///
    /// The idempotency key contains the old task's id and the number of the retry, so repeating the call returns the
    /// same task.
    package func retry(
        _ id: TaskID, number: Int
    ) async throws(TaskServiceError) -> (task: TaskWithPayload, isNew: Bool) {
        let old = try await task(id)
        if let refusal = old.refusalOfRetry { throw .refused(refusal, old.task) }
        let attempts: [GivenUpAttempt]
        do throws(TaskStoreError) { attempts = try await store.givenUpAttempts(of: id) } catch { throw .store(error) }
        // The provider may have accepted an attempt that was given up.
        guard !attempts.contains(where: { $0.nextReadingAt != nil }) else { throw .refused(.notSettled, old.task) }
        let submission = Submission(retry: number, of: old)
        let new = try newTasks.task(for: submission, at: time.now())
        return try await answer(to: submission, with: new, after: try await insert(new))
    }

    private func apply(
        _ event: TaskEvent, to id: TaskID, shownTo account: AccountName? = nil
    ) async throws(TaskServiceError) -> TaskWithPayload {
        let now = time.now()
        let change: TaskChange?
        do throws(TaskStoreError) {
            let updates =
                event == .cancelRequested
                ? await sampler.updates(from: try await store.task(id).map { [$0] } ?? [], givenUpAt: now) : []
            change = try await store.apply(
                [ScheduledEvent(event, for: id, shownTo: account, nextDueAt: now)], at: now, updating: updates
            ).first
        } catch {
            storage.noteFailedWrite(error)
            throw .store(error)
        }
        guard let change else { throw .taskNotFound(id.text) }
        if case .refuse(let refusal) = change.transition { throw .refused(refusal, change.task) }
        wakes.submitter.signal()
        wakes.polls.signal()
        wakes.lookups.signal()
        return try await committed(id)
    }

    /// The task after a commit.
    private func committed(_ id: TaskID) async throws(TaskServiceError) -> TaskWithPayload {
        do throws(TaskServiceError) { return try await task(id) } catch { throw error.afterCommit }
    }

    /// The task; nil if it does not exist.
    private func find(_ id: TaskID) async throws(TaskServiceError) -> TaskWithPayload? {
        do throws(TaskServiceError) {
            return try await task(id)
        } catch {
            if case .taskNotFound = error { return nil }
            throw error
        }
    }

    private func insert(_ task: NewTask) async throws(TaskServiceError) -> InsertResult {
        do throws(TaskStoreError) {
            return try await store.insert(task)
        } catch {
            storage.noteFailedWrite(error)
            throw .store(error)
        }
    }
}

extension TaskWithPayload {
    /// Why the request must not be submitted again; nil if it may.
    fileprivate var refusalOfRetry: LifecycleRefusal? {
        if task.state == .uncertain { return .needsResolution }
        guard task.state.hasEnded else { return .notEnded }
        if task.removed?.parts.contains(.request) ?? false { return .detailsRemoved }
        if task.failure?.code == TaskFailure.submissionLost { return .submissionLost }
        return payload.request.object == nil ? .requestUnknown : nil
    }
}

/// How a user settles an uncertain submission.
package enum UncertainResolution: Sendable, Hashable {
    /// The provider has it under this id, in the account with this name.
    case adopt(remoteID: String, account: String? = nil)
    /// The provider never accepted it: send it again.
    case resubmit
    /// Give it up.
    case giveUp
}

extension NewTask {
    /// The stored task.
    fileprivate var stored: TaskWithPayload { TaskWithPayload(task: task, payload: payload) }
}
