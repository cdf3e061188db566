import Logging
import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

/// Receives callback deliveries and stores them.
package struct CallbackReceiver: Sendable {
    /// The counts of deliveries; nil if callbacks are off.
    package let monitor: CallbackMonitor?
    /// The secrets of callback signatures by provider. Signatures are not checked without a secret.
    @Current var secrets: [ProviderName: String]
    /// Removes secrets from bodies. Replies arrive without them.
    @Current var redactor: SecretRedactor
    let store: TaskStore
    let storage: StorageMonitor
    @Current var catalog: ProviderCatalog
    /// The shortest time between two polls of a task.
    @Current var minGap: Duration
    let wakes: WakeSignals
    let time: any TimeSource
    let logger: Logger

    /// The path prefix of the callback URLs, or its default if callbacks are off.
    package var path: String { monitor?.path ?? "/callbacks/" }

    /// Whether a callback token exists. Call it before reading the body.
    package func isKnown(callbackToken token: String) async throws(TaskServiceError) -> Bool {
        guard let monitor else { return false }
        let isKnown = try await owner(of: token) != nil
        if !isKnown { monitor.refused() }
        return isKnown
    }

    /// Stores a callback delivery. Returns once it is on disk.
    ///
    /// The body is only a hint if the provider can be queried: the task is then polled as soon as rate limits allow.
    /// If the provider signs callbacks and its secret is known, an unsigned body only supplies the remote id to poll.
    /// Keys of `headers` are in lower case.
    package func deliver(
        _ body: CallbackBody, headers: [String: String] = [:], to token: String
    ) async throws(TaskServiceError) -> DeliveryResult {
        guard let monitor else { return .unknownToken }
        guard let owner = try await owner(of: token) else {
            monitor.refused()
            return .unknownToken
        }
        monitor.delivered()
        guard owner.deliveries < CallbackDelivery.maxPerAttempt else { return .taken }
        let document = body.document(contentType: headers["content-type"], without: redactor)
        let read = delivery(of: document, for: owner)
        // An unsigned body supplies only the id to poll. Its status is ignored.
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

    /// The attempt that a token belongs to; nil if the token does not exist.
    ///
    /// A look-up by digest takes the same time for all tokens, so it reveals nothing about near misses.
    private func owner(of token: String) async throws(TaskServiceError) -> CallbackOwner? {
        do throws(TaskStoreError) {
            return try await store.owner(of: CallbackToken.digest(of: token))
        } catch {
            throw unstored(error)
        }
    }

    private func unstored(_ error: TaskStoreError) -> TaskServiceError {
        logger.error("A callback could not be stored. Polling continues: \(error.message)")
        storage.invalidateCaches(after: error)
        return .store(error)
    }

    /// Asks the sender to repeat an unreadable body if the task's remote id is unknown, because no poll can replace the
    /// body.
    private func answer(
        to unreadable: CallbackBody.Unreadable, size: Int, for task: TrackedTask
    ) -> DeliveryResult {
        let what = "\(task.id) got a callback, but its body (\(size) bytes) cannot be read: it \(unreadable.problem)."
        guard task.remoteID == nil, !task.state.hasEnded else {
            logger.about(task).info("\(what) The task is polled instead, as after every callback.")
            return .taken
        }
        logger.about(task).warning(
            """
            \(what) The provider has the task, but its id is not known, so the provider is asked to repeat the callback (400). \
            If that repeats, look the task up at the provider and run `pollux resolve \(task.id) --adopt REMOTE_ID`.
            """)
        return .unreadable
    }

    /// Whether the body is signed, or the provider or its secret does not allow checking.
    private func isSigned(
        _ body: CallbackBody, headers: [String: String], saying delivery: CallbackDelivery, for task: TrackedTask
    ) -> Bool {
        guard let provider = catalog.endpoint(task.endpoint)?.provider,
            let signature = catalog.provider(provider)?.callbackSignature,
            let secret = secrets[provider]
        else { return true }
        let now = time.now()
        // Some providers sign the compressed body, some the decoded one.
        let isGood = [body.content, body.encoded].compactMap(\.self).contains {
            signature.isGood(of: $0, headers: headers, secret: secret, now: now)
        }
        if isGood { return true }
        logger.about(task).warning(
            """
            \(task.id) got a callback\(delivery.remoteID.map { " for \($0)" } ?? "") without a valid signature of \(provider). \
            Its status is ignored, and the task is polled if possible. If that repeats, \
            \(signature.secretVariable) may be outdated, or this machine's clock may be wrong.
            """)
        return false
    }

    /// Parses the body with the rules of the task's endpoint. An unreadable body still counts as a delivery.
    private func delivery(
        of document: Result<JSONValue, CallbackBody.Unreadable>, for owner: CallbackOwner
    ) -> CallbackDelivery {
        guard let profile = catalog.endpoint(owner.task.endpoint), case .success(let document) = document,
            let (id, observation) = profile.dialect.readCallback(document)
        else { return CallbackDelivery(attempt: owner.attempt) }
        // The body names another task of the provider, so its status is ignored.
        if let own = owner.task.remoteID, let id, id != own {
            return CallbackDelivery(attempt: owner.attempt, remoteID: id)
        }
        // An id is useless if the provider cannot be polled by it. Then only the body shows the outcome.
        let canAsk = profile.dialect.canAskByID || owner.task.pollURL != nil
        return CallbackDelivery(
            attempt: owner.attempt, remoteID: canAsk ? id : nil,
            observation: observation)
    }

    private func take(_ delivery: CallbackDelivery, for owner: CallbackOwner) async throws(TaskStoreError) {
        let now = time.now()
        let changes: [TaskChange]
        do throws(TaskStoreError) {
            changes = try await apply(delivery, for: owner, at: now)
        } catch {
            guard case .remoteIDInUse(let other) = error else { throw error }
            logger.about(owner.task).warning(
                """
                \(owner.task.id) got a callback for \(delivery.remoteID?.text ?? ""), which belongs to \(other), so its \
                content is ignored.
                """)
            changes = try await apply(CallbackDelivery(attempt: delivery.attempt), for: owner, at: now)
        }
        if let task = changes.first?.task, delivery.attempt < task.attempts, task.state == .submitting {
            logger.about(task).warning(
                """
                \(task.id) got a callback for its attempt \(delivery.attempt), which was declared lost, while attempt \
                \(task.attempts) is being sent. It may be billed twice; \
                `pollux events \(task.id)` shows who resubmitted it.
                """)
        }
        wakes.polls.signal()
        wakes.submitter.signal()
    }

    private func apply(
        _ delivery: CallbackDelivery, for owner: CallbackOwner, at now: Timestamp
    ) async throws(TaskStoreError) -> [TaskChange] {
        let task = owner.task
        // The next allowed poll. A queued task keeps its due time.
        let soonest = max(now, min(task.lastPendingAt ?? now, now) + minGap)
        let nextDueAt = task.state == .queued ? nil : task.lastPendingAt == nil ? now : soonest
        let event = ScheduledEvent(.calledBack(delivery), for: task.id, nextDueAt: nextDueAt)
        return try await store.apply(
            [event], at: now, updating: updates(from: delivery, for: owner, at: now))
    }

    /// The statistics updates of a delivery that reports an end which a poll had already found.
    private func updates(from delivery: CallbackDelivery, for owner: CallbackOwner, at now: Timestamp)
        -> [StatisticsUpdate]
    {
        let task = owner.task
        guard delivery.isFinal, task.outcomeSource == .poll, !owner.hadFinal else { return [] }
        var updates = StatisticsUpdates()
        // A lower bound, because the poll itself was late.
        updates.countLateCallback(about: task, delay: task.endedAt.map { max(now - $0, .zero) })
        return updates.updates
    }
}
