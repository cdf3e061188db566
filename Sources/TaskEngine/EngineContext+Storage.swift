import Logging
import ProviderCatalog
import Synchronization
import TaskModel
import TaskStore

/// What is known of the storage, for those that cannot ask it.
final class StorageWatch: Sendable {
    private struct State {
        var condition = StorageCondition.sound
        /// Claims whose commit is unknown, by the number of the attempt. Nothing was sent for them.
        var unknownClaims: [TaskID: Int] = [:]
    }

    private let state = Mutex(State())

    /// As it was found last.
    var condition: StorageCondition { state.withLock { $0.condition } }

    /// Takes what was found; returns what was known before.
    func note(_ condition: StorageCondition) -> StorageCondition {
        state.withLock { state in
            defer { state.condition = condition }
            return state.condition
        }
    }

    /// Remembers a claim whose outcome is unknown.
    func noteUnknownClaim(of task: TaskID, attempt: Int) { state.withLock { $0.unknownClaims[task] = attempt } }

    var unknownClaims: [TaskID: Int] { state.withLock { $0.unknownClaims } }

    func forgetClaim(of task: TaskID) { state.withLock { _ = $0.unknownClaims.removeValue(forKey: task) } }
}

extension EngineContext {
    /// Looks at the storage and logs what has changed since the last look; false where nothing can be stored.
    func checkStorage() async -> Bool {
        let condition = await store.condition()
        let isUsable = if case .failed = condition { false } else { true }
        let before = storage.note(condition)
        guard condition != before else { return isUsable }
        switch condition {
        case .failed(let error): logger.critical("\(error.message)")
        case .beingChecked:
            logger.notice("The database is being checked. Until that is done, nothing paid is sent.")
        case .sound:
            logger.notice("The database is sound. Everything goes on.")
            wakes.signalAll()
        }
        return isUsable
    }

    /// Drops all cached views after a commit whose outcome is unknown, and wakes every loop and waiter.
    func doubtWhatIsKnown() {
        plans.forgetAll()
        feed.publishAll()
        store.log.wake()
        wakes.signalAll()
    }

    /// Records the start of an attempt; remembers the claim if the outcome of the commit is unknown.
    func start(
        _ task: TrackedTask, of profile: EndpointProfile, callback: CallbackDigest?, at now: Timestamp
    ) async throws(TaskStoreError) -> TaskChange? {
        do throws(TaskStoreError) {
            return try await store.apply(
                .submissionStarted(callback: callback), to: task.id, under: LeaseName(provider: profile.provider),
                at: now,
                nextDueAt: now + limits.timeout(of: profile))
        } catch {
            if case .unknown = error {
                storage.noteUnknownClaim(of: task.id, attempt: task.attempts + 1)
                admission.pace(profile)
            }
            throw error
        }
    }

    /// Returns claims with an unknown outcome to the queue: nothing was sent for them.
    func settleUnknownClaims(at now: Timestamp) async throws(TaskStoreError) {
        for (id, attempt) in storage.unknownClaims.sorted(by: { $0.key < $1.key }) {
            if let task = try await store.task(id), task.state == .submitting, task.attempts == attempt {
                let failure = TaskFailure(
                    code: "not_sent",
                    message: "Nothing was sent: the disk failed while the attempt was being written down.")
                _ = try await store.apply(
                    [ScheduledEvent(.submissionNotAccepted(failure), for: id, attempt: attempt, nextDueAt: now)],
                    at: now)
            }
            storage.forgetClaim(of: id)
        }
    }
}
