import Logging
import PollingPolicy
import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

extension TaskService {
    /// Takes what somebody sent to a callback URL; returns once it is on disk, false where the token is nobody's.
    ///
    /// The body is a hint and decides nothing where the provider can be asked: the task is asked for at once, within the
    /// limits that all queries have. Where its provider signs callbacks and the secret is known, nothing that a body says
    /// is believed without a signature but where to ask; the token alone is reason enough to ask. `headers` by their names
    /// in small letters.
    package func deliver(
        _ body: [UInt8], headers: [String: String] = [:], to token: String
    ) async throws(TaskServiceError) -> Bool {
        guard let callbacks = context.callbacks else { return false }
        // The same for every token: all of the body is there by now, and a look-up by digest tells nothing of near misses.
        let digest = CallbackToken.digest(of: token)
        do throws(TaskStoreError) {
            guard let owner = try await context.store.owner(of: digest) else {
                callbacks.refused()
                return false
            }
            callbacks.delivered()
            guard owner.deliveries < CallbackDelivery.mostPerAttempt else { return true }
            let read = reading(of: body, for: owner)
            // The id it names is where to ask; what it says of the task is not believed.
            let delivery =
                isSigned(body, headers: headers, saying: read, for: owner.task)
                ? read : CallbackDelivery(attempt: owner.attempt, remoteID: read.remoteID)
            try await take(delivery, for: owner)
            return true
        } catch {
            context.logger.error("A callback could not be stored, and polling goes on: \(error.message)")
            if case .unknown = error { context.doubtWhatIsKnown() }
            throw .store(error)
        }
    }

    /// Whether the provider signed it, so far as that can be told.
    private func isSigned(
        _ body: [UInt8], headers: [String: String], saying delivery: CallbackDelivery, for task: TrackedTask
    ) -> Bool {
        guard let provider = context.catalog.endpoint(task.endpoint)?.provider,
            let signature = context.catalog.provider(provider)?.callbackSignature,
            let secret = context.callbackSecrets[provider]
        else { return true }
        if signature.isGood(of: body, headers: headers, secret: secret, now: context.time.now()) { return true }
        context.logger.warning(
            """
            \(task.id) was called back\(delivery.remoteID.map { " as \($0)" } ?? "") without a good signature of \(provider). \
            What it says of the task is not believed; the provider is asked, where it can be. If that repeats, \
            \(signature.secretVariable) may be out of date, or this machine's clock be wrong.
            """)
        return false
    }

    /// What the body says, by the rules of the task's endpoint; a body that cannot be read still is a delivery.
    private func reading(of body: [UInt8], for owner: CallbackOwner) -> CallbackDelivery {
        guard let profile = context.catalog.endpoint(owner.task.endpoint),
            let document = try? JSONValue(parsing: body, limits: .lenient),
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
