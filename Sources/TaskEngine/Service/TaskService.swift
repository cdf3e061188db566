import Logging
import PollingPolicy
import ProviderCatalog
package import TaskModel
import TaskStore
import VerbatimJSON

/// The one way in: what programs and people can do with tasks.
///
/// Nobody is told anything before it is on disk.
package struct TaskService: Sendable {
    let context: EngineContext

    init(_ context: EngineContext) {
        self.context = context
    }

    /// Stores a task; `isNew` is false where its idempotency key named one already.
    package func submit(
        _ submission: Submission
    ) async throws(TaskServiceError) -> (task: TaskWithPayload, isNew: Bool) {
        let task = try newTask(for: submission)
        return try await answer(to: submission, with: task, after: try await insert(task))
    }

    /// Stores many in one commit, in their order; then tells the id of each, or why there is none, in its place.
    package func submit(
        _ submissions: [Submission], telling tell: (Result<TaskID, TaskServiceError>) -> Void
    ) async throws {
        let tasks = submissions.map { submission in
            Result { () throws(TaskServiceError) in try newTask(for: submission) }
        }
        var insertions: ArraySlice<InsertResult>
        do throws(TaskStoreError) {
            insertions = try await context.store.insert(tasks.compactMap { try? $0.get() })[...]
        } catch {
            doubt(error)
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

    /// What a submission becomes if nothing is in its way.
    private func newTask(for submission: Submission) throws(TaskServiceError) -> NewTask {
        let profile = try profile(of: submission.endpoint)
        try check(submission.labels)
        if let problem = profile.dialect.problem(with: submission.request) {
            throw .invalidField("request.\(problem.field)", problem: problem.problem)
        }
        let now = context.time.now()
        let key = submission.idempotencyKey.map { NewTask.IdempotencyKey(key: $0, fingerprint: submission.fingerprint) }
        if submission.request["async"] == false, !profile.dialect.answersOnlyInline {
            throw .invalidField(
                "request.async",
                problem:
                    "false would hold the connection for the whole generation, and a reply that takes minutes is easily lost. Leave it out; the result comes all the same."
            )
        }
        var task = submission.task(
            id: newID(at: now), of: profile.name, at: now, onUncertain: context.defaultOnUncertain)
        task.hasOwnCallback = profile.dialect.hasOwnCallback(in: submission.request)
        return NewTask(task: task, payload: TaskPayload(request: .object(submission.request)), idempotencyKey: key)
    }

    private func answer(
        to submission: Submission, with new: NewTask, after insertion: InsertResult
    ) async throws(TaskServiceError) -> (task: TaskWithPayload, isNew: Bool) {
        switch insertion {
        case .created:
            context.passed(.afterQueued)
            if mayBeSent(new.task) { context.wakes.submitter.signal() }
            if new.task.deadline != nil { context.wakes.deadlines.signal() }
            return (new.stored, true)
        case .tooLate:
            throw .invalidField("deadline", problem: "\(new.task.deadline?.rfc3339 ?? "") has already passed")
        case .keyInUse(let existing, sameBody: true):
            return (try await self.task(existing), false)
        case .keyInUse(let existing, sameBody: false):
            let stored = try await self.task(existing)
            let differences = submission.differences(from: stored)
            guard !differences.isEmpty else { return (stored, false) }
            throw .keyConflict(
                key: submission.idempotencyKey ?? "", existing: existing, differences: differences)
        case .remoteIDInUse(let owner):
            throw .store(.remoteIDInUse(by: owner))
        }
    }

    /// Whether the queue is worth a look: not where it takes a person to let the endpoint's tasks go, who then says so.
    private func mayBeSent(_ task: TrackedTask) -> Bool {
        guard let profile = context.catalog.endpoint(task.endpoint), context.admission.hasToken(profile.provider) else {
            return false
        }
        guard let block = context.admission.block(on: profile, at: task.createdAt) else { return true }
        return block.until != nil
    }

    /// Tracks a task that was submitted elsewhere; `isNew` is false where it is tracked already.
    package func adopt(
        endpoint name: String, remoteID text: String, labels: [String: String], priority: Int,
        deadline stated: StatedTime?
    ) async throws(TaskServiceError) -> (task: TaskWithPayload, isNew: Bool) {
        let endpoint = try profile(of: name).name
        guard let remoteID = RemoteTaskID(text) else {
            throw .invalidField("remote_id", problem: "must be 1 to 512 characters without spaces")
        }
        guard context.catalog.endpoint(endpoint)?.dialect.canAskByID ?? true else {
            throw .invalidField(
                "endpoint",
                problem:
                    "tasks of \(endpoint) can only be asked for by an address that the reply to their submission names")
        }
        try check(labels)
        let now = context.time.now()
        let deadline = stated?.resolved(at: now)
        var task = TrackedTask(
            id: newID(at: now), endpoint: endpoint, state: .running, createdAt: now,
            onUncertain: context.defaultOnUncertain, labels: labels, priority: priority, deadline: deadline,
            remoteID: remoteID)
        task.submittedAt = now
        let payload = TaskPayload(request: .null)
        switch try await insert(NewTask(task: task, payload: payload)) {
        case .created:
            context.wakes.polls.signal()
            if task.deadline != nil { context.wakes.deadlines.signal() }
            return (TaskWithPayload(task: task, payload: payload), true)
        case .remoteIDInUse(let owner):
            let existing = try await self.task(owner)
            guard existing.task.endpoint == endpoint else { throw .store(.remoteIDInUse(by: owner)) }
            return (existing, false)
        case .tooLate:
            throw .invalidField("deadline", problem: "\(deadline?.rfc3339 ?? "") has already passed")
        case .keyInUse(let existing, _):
            return (try await self.task(existing), false)
        }
    }

    /// Uncertain tasks of the endpoint that a tracked id may belong to: those whose look-ups showed it, else all of them.
    package func uncertainTasks(fitting task: TrackedTask) async throws(TaskServiceError) -> [TaskID] {
        guard task.isNamedByUser, let id = task.remoteID else { return [] }
        do throws(TaskStoreError) {
            let uncertain = try await context.store.due(
                in: .uncertain, of: task.endpoint.service, by: context.time.now() + context.lookups.slowest * 2,
                limit: 100
            ).filter { $0.endpoint == task.endpoint }
            let fitting = uncertain.filter { $0.attempt?.possibleIDs.contains(id) ?? false }
            return (fitting.isEmpty ? uncertain : fitting).map(\.id)
        } catch {
            throw .store(error)
        }
    }

    // MARK: What a person can do with a task

    /// Stops tracking it, and asks the provider to end it where it has a way to; the bill may still come.
    package func cancel(_ id: TaskID) async throws(TaskServiceError) -> TaskWithPayload {
        let stored = try await apply(.cancelRequested, to: id)
        await cancelAtProvider(stored)
        return stored
    }

    /// Asks once, after the outcome is on disk: whether it helps changes nothing of what we know.
    private func cancelAtProvider(_ stored: TaskWithPayload) async {
        let task = stored.task
        guard let id = task.remoteID, let profile = context.catalog.endpoint(task.endpoint),
            let cancelling = profile.dialect.cancelling, context.admission.hasToken(profile.provider)
        else { return }
        do throws(RequestProblem) {
            guard let request = try cancelling.cancellation(of: id, record: stored.payload.response) else { return }
            do throws(UpstreamTransportError) {
                let reply = try await context.transport.send(
                    request, to: profile.provider, isPaid: false, timeout: .seconds(10))
                guard let (failure, suspendsProvider) = cancelling.problem(in: reply) else {
                    context.logger.info(
                        "\(task.id) \(profile.provider) was asked to end it: HTTP status \(reply.status)")
                    return
                }
                if suspendsProvider { await context.admission.suspend(.provider(profile.provider), because: failure) }
                context.logger.warning(
                    "\(task.id) \(profile.provider) did not end it, so it may be billed: \(failure.code): \(failure.message)"
                )
            } catch {
                context.logger.warning(
                    "\(task.id) \(profile.provider) could not be asked to end it: \(TaskFailure(error).message)")
            }
        } catch {
            context.logger.warning("\(task.id) cannot be ended at \(profile.provider): \(error.field) \(error.problem)")
        }
    }

    /// Tracks a cancelled or expired task again.
    package func reopen(_ id: TaskID) async throws(TaskServiceError) -> TaskWithPayload {
        try await apply(.reopenRequested, to: id)
    }

    /// Settles an uncertain task by a person's word.
    package func resolve(_ id: TaskID, _ decision: UncertainResolution) async throws(TaskServiceError)
        -> TaskWithPayload
    {
        switch decision {
        case .adopt(let text):
            let endpoint = try await task(id).task.endpoint
            guard context.catalog.endpoint(endpoint)?.dialect.canAskByID ?? true else {
                throw .invalidField(
                    "as",
                    problem:
                        "tasks of \(endpoint) can only be asked for by an address that the reply to their submission names"
                )
            }
            guard let remoteID = RemoteTaskID(text) else {
                throw .invalidField("remote_id", problem: "must be 1 to 512 characters without spaces")
            }
            return try await apply(.adopted(remoteID), to: id)
        case .resubmit:
            return try await apply(.resubmitted(.resubmitted), to: id)
        case .giveUp:
            return try await apply(.givenUp(.submissionLost(because: "it was given up"), .givenUp), to: id)
        }
    }

    private func apply(_ event: TaskEvent, to id: TaskID) async throws(TaskServiceError) -> TaskWithPayload {
        let now = context.time.now()
        let change: TaskChange?
        do throws(TaskStoreError) {
            let updates =
                event == .cancelRequested
                ? await context.updates(from: try await context.store.task(id).map { [$0] } ?? [], givenUpAt: now) : []
            change = try await context.store.apply(
                [ScheduledEvent(event, for: id, nextDueAt: now)], at: now, updating: updates
            ).first
        } catch {
            doubt(error)
            throw .store(error)
        }
        guard let change else { throw .taskNotFound(id.text) }
        if case .refuse(let refusal) = change.transition { throw .refused(refusal, change.task) }
        context.wakes.submitter.signal()
        context.wakes.polls.signal()
        context.wakes.lookups.signal()
        return try await task(id)
    }

    private func insert(_ task: NewTask) async throws(TaskServiceError) -> InsertResult {
        do throws(TaskStoreError) {
            return try await context.store.insert(task)
        } catch {
            doubt(error)
            throw .store(error)
        }
    }

    /// A write that may be stored all the same: the program is told so, and the loops go on from what they find.
    private func doubt(_ error: TaskStoreError) {
        guard case .unknown = error else { return }
        context.logger.error("The disk failed while something was being stored, which may be there or not.")
        context.doubtWhatIsKnown()
    }

    /// A database text ends at its first zero character, so that two labels could become one.
    private func check(_ labels: [String: String]) throws(TaskServiceError) {
        guard !labels.contains(where: { $0.key.contains("\0") || $0.value.contains("\0") }) else {
            throw .invalidField("labels", problem: "must not hold the character U+0000")
        }
    }

    private func newID(at now: Timestamp) -> TaskID {
        context.random.draw { generator in TaskID(at: now, using: &generator) }
    }
}

/// How a person settles an uncertain submission.
package enum UncertainResolution: Sendable, Hashable {
    /// It is this task of the provider's.
    case adopt(remoteID: String)
    /// It was never taken: send it again.
    case resubmit
    /// It does not matter any more.
    case giveUp
}

extension NewTask {
    /// The task as it is once it has been stored.
    fileprivate var stored: TaskWithPayload { TaskWithPayload(task: task, payload: payload) }
}
