import Logging
import PollingPolicy
import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

extension TaskService {
    /// What the path of our callback URLs begins with, as providers are told; with callbacks off, as it would.
    package var callbackPath: String { context.callbacks?.path ?? "/callbacks/" }

    /// Whether the token in a callback URL is one that went out; to be asked before anything of a body is read.
    package func isKnown(callbackToken token: String) async throws(TaskServiceError) -> Bool {
        guard let callbacks = context.callbacks else { return false }
        let isKnown = try await owner(of: token) != nil
        if !isKnown { callbacks.refused() }
        return isKnown
    }

    /// Takes what somebody sent to a callback URL; returns once it is on disk.
    ///
    /// The body is a hint and decides nothing where the provider can be asked: the task is asked for at once, within the
    /// limits that all queries have. Where its provider signs callbacks and the secret is known, nothing that a body says
    /// is believed without a signature but where to ask; the token alone is reason enough to ask. `headers` by their names
    /// in small letters.
    package func deliver(
        _ body: CallbackBody, headers: [String: String] = [:], to token: String
    ) async throws(TaskServiceError) -> CallbackAnswer {
        guard let callbacks = context.callbacks else { return .unknownToken }
        guard let owner = try await owner(of: token) else {
            callbacks.refused()
            return .unknownToken
        }
        callbacks.delivered()
        guard owner.deliveries < CallbackDelivery.maxPerAttempt else { return .taken }
        let document = body.document(contentType: headers["content-type"], without: context.redactor)
        let read = delivery(of: document, for: owner)
        // The id it names is where to ask; what it says of the task is not believed.
        let delivery =
            isSigned(body, headers: headers, saying: read, for: owner.task)
            ? read : CallbackDelivery(attempt: owner.attempt, remoteID: read.remoteID)
        do throws(TaskStoreError) {
            try await take(delivery, for: owner)
        } catch {
            throw unstored(error)
        }
        guard case .failure(let unreadable) = document else { return .taken }
        return answer(to: unreadable, size: (body.encoded ?? body.content).count, for: owner.task)
    }

    /// Whose the token is; nil where it is nobody's.
    ///
    /// The same for every token: a look-up by digest tells nothing of near misses.
    private func owner(of token: String) async throws(TaskServiceError) -> CallbackOwner? {
        do throws(TaskStoreError) {
            return try await context.store.owner(of: CallbackToken.digest(of: token))
        } catch {
            throw unstored(error)
        }
    }

    private func unstored(_ error: TaskStoreError) -> TaskServiceError {
        context.logger.error("A callback could not be stored, and polling goes on: \(error.message)")
        if case .unknown = error { context.doubtWhatIsKnown() }
        return .store(error)
    }

    /// Asks for a body once more that says what nobody else can, as long as nobody knows the task's remote id.
    private func answer(
        to unreadable: CallbackBody.Unreadable, size: Int, for task: TrackedTask
    ) -> CallbackAnswer {
        let what = "\(task.id) was called back, but what came (\(size) bytes) cannot be read: it \(unreadable.problem)."
        guard task.remoteID == nil, !task.state.hasEnded else {
            context.logger.info("\(what) The provider is asked for the task instead, as after every callback.")
            return .taken
        }
        context.logger.warning(
            """
            \(what) The provider has the task, but its id is not known, so it is asked to send the callback again (400). \
            If that repeats, look the task up at the provider and run `pollux resolve \(task.id) --adopt REMOTE_ID`.
            """)
        return .unreadable
    }

    /// Whether the provider signed it, so far as that can be told.
    private func isSigned(
        _ body: CallbackBody, headers: [String: String], saying delivery: CallbackDelivery, for task: TrackedTask
    ) -> Bool {
        guard let provider = context.catalog.endpoint(task.endpoint)?.provider,
            let signature = context.catalog.provider(provider)?.callbackSignature,
            let secret = context.callbackSecrets[provider]
        else { return true }
        let now = context.time.now()
        // Some sign what they compress, some what they send.
        let isGood = [body.content, body.encoded].compactMap(\.self).contains {
            signature.isGood(of: $0, headers: headers, secret: secret, now: now)
        }
        if isGood { return true }
        context.logger.warning(
            """
            \(task.id) was called back\(delivery.remoteID.map { " as \($0)" } ?? "") without a good signature of \(provider). \
            What it says of the task is not believed; the provider is asked, where it can be. If that repeats, \
            \(signature.secretVariable) may be out of date, or this machine's clock be wrong.
            """)
        return false
    }

    /// What the body says, by the rules of the task's endpoint; a body that cannot be read still is a delivery.
    private func delivery(
        of document: Result<JSONValue, CallbackBody.Unreadable>, for owner: CallbackOwner
    ) -> CallbackDelivery {
        guard let profile = context.catalog.endpoint(owner.task.endpoint), case .success(let document) = document,
            let (id, observation) = profile.readCallback(document)
        else { return CallbackDelivery(attempt: owner.attempt) }
        // Of another task of the provider's: what it says is not about this one, as it is known today.
        if let own = owner.task.remoteID, let id, id != own {
            return CallbackDelivery(attempt: owner.attempt, remoteID: id)
        }
        // An id that nobody can ask for is no use: then what the body says is all there is.
        let canAsk = profile.canAskByID || owner.task.pollURL != nil
        return CallbackDelivery(
            attempt: owner.attempt, remoteID: canAsk ? id : nil,
            observation: observation.withoutToken)
    }

    private func take(_ delivery: CallbackDelivery, for owner: CallbackOwner) async throws(TaskStoreError) {
        let now = context.time.now()
        let changes: [TaskChange]
        do throws(TaskStoreError) {
            changes = try await apply(delivery, for: owner, at: now)
        } catch {
            guard case .remoteIDInUse(let other) = error else { throw error }
            context.logger.warning(
                """
                \(owner.task.id) was called back as \(delivery.remoteID?.text ?? ""), which is \(other)'s. Nothing of it is \
                believed.
                """)
            changes = try await apply(CallbackDelivery(attempt: delivery.attempt), for: owner, at: now)
        }
        context.announce(changes)
        if let task = changes.first?.task, delivery.attempt < task.attempts, task.state == .submitting {
            context.logger.warning(
                """
                \(task.id) was called back for its attempt \(delivery.attempt), which was thought lost, while attempt \
                \(task.attempts) is being sent. It may be billed twice; \
                `pollux events \(task.id)` tells who had it sent again.
                """)
        }
        context.plans.forget(owner.task.endpoint.service)
        context.wakes.polls.nudge()
        context.wakes.submitter.nudge()
    }

    private func apply(
        _ delivery: CallbackDelivery, for owner: CallbackOwner, at now: Timestamp
    ) async throws(TaskStoreError) -> [TaskChange] {
        let task = owner.task
        // As soon as it may be asked about again; what waits in the queue keeps its time.
        let soonest = max(now, min(task.lastPendingAt ?? now, now) + context.polling.minGap)
        let nextDueAt = task.state == .queued ? nil : task.lastPendingAt == nil ? now : soonest
        let event = PlannedEvent(.calledBack(delivery), for: task.id, nextDueAt: nextDueAt)
        return try await context.store.apply(
            [event], at: now, teaching: lessons(from: delivery, for: owner, at: now))
    }

    /// What a delivery teaches that tells of an end which a poll had found before.
    private func lessons(from delivery: CallbackDelivery, for owner: CallbackOwner, at now: Timestamp) -> [Lesson] {
        let task = owner.task
        guard delivery.isFinal, task.outcomeSource == .poll, !owner.hadFinal else { return [] }
        var plan = LessonPlan()
        // At least: the poll itself was somewhat late.
        plan.countLateCallback(about: task, delay: task.endedAt.map { max(now - $0, .zero) })
        return plan.lessons
    }
}
