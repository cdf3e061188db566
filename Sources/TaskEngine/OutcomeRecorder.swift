import Logging
import TaskModel
import TaskStore

/// Stores the outcomes of requests to providers, with retries while the disk is unavailable.
struct OutcomeRecorder: Sendable {
    let store: TaskStore
    let storage: StorageMonitor
    let feed: EventFeed
    let time: any TimeSource
    let logger: Logger

    /// Records the events, and retries until they are on disk: a paid reply must not be lost because the disk is full.
    ///
    /// It stops only if the daemon stops or the database is damaged. The next start then finds the task in its old
    /// state and asks the provider. After a commit with an unknown outcome it writes the events again; the lifecycle
    /// ignores those that are already stored.
    func record(_ events: [ScheduledEvent], updating statistics: StatisticsUpdates = StatisticsUpdates()) async
        -> [TaskChange]
    {
        var wait = Duration.seconds(1)
        var mayBeStored = false
        while true {
            do throws(TaskStoreError) {
                let changes = try await store.apply(events, at: time.now(), updating: statistics.updates)
                if mayBeStored { storage.invalidateCaches() }
                return changes
            } catch {
                if case .unknown = error { mayBeStored = true }
                logger.error("Could not store the provider's reply: \(error.message) Trying again.")
                if case .damaged = error { return [] }
                // Removed files do not come back while the daemon is stopping.
                if case .replaced = error, feed.isClosing { return [] }
            }
            if Task.isCancelled { return [] }
            await time.sleep(until: time.now() + wait)
            wait = min(wait * 2, .seconds(15))
        }
    }

    /// Stores statistics without an event. A failure is logged and not retried.
    func updateStatistics(_ statistics: StatisticsUpdates) async {
        do throws(TaskStoreError) {
            _ = try await store.apply([], at: time.now(), updating: statistics.updates)
        } catch {
            logger.error("Could not store the statistics of a call: \(error.message)")
        }
    }

    /// Postpones the due times of tasks. A failure is logged and not retried: the tasks are then due earlier than
    /// intended.
    func postpone(_ ids: [TaskID], until point: Timestamp) async {
        guard !ids.isEmpty else { return }
        do throws(TaskStoreError) {
            try await store.postpone(ids, until: point)
        } catch {
            logger.error("Could not postpone \(ids.count) task(s): \(error.message)")
        }
    }
}
