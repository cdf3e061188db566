import Logging
import ProviderCatalog
import Synchronization
import TaskModel
import TaskStore

/// Tracks the condition of the storage, and the commits with an unknown outcome.
final class StorageMonitor: Sendable {
    private struct State {
        var condition = StorageCondition.sound
        /// Claims whose commit is unknown, by the number of the attempt. Nothing was sent for them.
        var unknownClaims: [TaskID: Int] = [:]
    }

    private let state = Mutex(State())
    private let store: TaskStore
    private let plans: PollPlanCache
    private let counts: LatestCounts
    private let feed: EventFeed
    private let streams: EventStreams
    private let wakes: WakeSignals
    private let logger: Logger

    init(
        store: TaskStore, plans: PollPlanCache, counts: LatestCounts, feed: EventFeed, streams: EventStreams,
        wakes: WakeSignals, logger: Logger
    ) {
        self.store = store
        self.plans = plans
        self.counts = counts
        self.feed = feed
        self.streams = streams
        self.wakes = wakes
        self.logger = logger
    }

    /// The result of the latest check.
    var condition: StorageCondition { state.withLock { $0.condition } }

    /// Checks the storage and logs changes since the last check; false if nothing can be stored.
    func check() async -> Bool {
        let condition = await store.condition()
        let isUsable = if case .failed = condition { false } else { true }
        let before = state.withLock { state in
            defer { state.condition = condition }
            return state.condition
        }
        guard condition != before else { return isUsable }
        switch condition {
        case .failed(let error): logger.critical("\(error.message)")
        case .beingChecked:
            logger.notice("The database is being checked. Until that is done, nothing paid is sent.")
        case .sound:
            logger.notice("The database is sound. Work continues.")
            wakes.signalAll()
        }
        return isUsable
    }

    /// Logs that a write may be stored although it failed, and drops all cached views. Other errors change nothing.
    func noteFailedWrite(_ error: TaskStoreError) {
        guard case .unknown = error else { return }
        logger.error(
            "The disk, or the connection to the database, failed during a write, so the data may be stored or not.")
        invalidateCaches()
    }

    /// Drops all cached views and wakes every loop and waiter, if the error leaves open whether the commit is on disk.
    func invalidateCaches(after error: TaskStoreError) {
        if case .unknown = error { invalidateCaches() }
    }

    /// Drops all cached views after a commit whose outcome is unknown, and wakes every loop and waiter.
    func invalidateCaches() {
        plans.forgetAll()
        counts.noteChange()
        feed.publishAll()
        streams.invalidate()
        store.log.wake()
        wakes.signalAll()
    }

    // MARK: Claims with an unknown outcome

    /// Records a claim whose outcome is unknown.
    func noteUnknownClaim(of task: TaskID, attempt: Int) { state.withLock { $0.unknownClaims[task] = attempt } }

    var unknownClaims: [TaskID: Int] { state.withLock { $0.unknownClaims } }

    /// Returns claims with an unknown outcome to the queue: nothing was sent for them.
    func settleUnknownClaims(at now: Timestamp) async throws(TaskStoreError) {
        for (id, attempt) in unknownClaims.sorted(by: { $0.key < $1.key }) {
            // An attempt with this number may be another process's, which has sent it.
            if let task = try await store.task(id), task.state == .submitting, task.attempts == attempt,
                store.hasStarted(task)
            {
                let failure = TaskFailure(
                    code: "not_sent",
                    message: "Nothing was sent: storing the attempt failed.")
                _ = try await store.apply(
                    [ScheduledEvent(.submissionNotAccepted(failure), for: id, attempt: attempt, nextDueAt: now)],
                    at: now)
            }
            state.withLock { _ = $0.unknownClaims.removeValue(forKey: id) }
        }
    }
}
