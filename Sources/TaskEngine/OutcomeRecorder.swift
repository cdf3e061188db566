import Logging
import TaskModel
import TaskStore

/// Writes down what requests to providers brought, with retries while the disk is away.
struct OutcomeRecorder: Sendable {
    let store: TaskStore
    let storage: StorageMonitor
    let feed: EventFeed
    let time: any TimeSource
    let logger: Logger

    /// Records what happened, however long it takes to get it on disk: an answer that cost money must not be dropped
    /// because the disk is full for a while.
    ///
    /// Gives up only while the daemon stops, and where the database is damaged; the next start then finds the task as
    /// it was and asks the provider. After a commit that may be on disk the same is written once more: what was stored then
    /// is ignored by the task's lifecycle.
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
                logger.error("Could not store what the provider answered: \(error.message) Trying again.")
                if case .damaged = error { return [] }
                // Files that were taken away do not come back because somebody waits for the daemon to stop.
                if case .replaced = error, feed.isClosing { return [] }
            }
            if Task.isCancelled { return [] }
            await time.sleep(until: time.now() + wait)
            wait = min(wait * 2, .seconds(15))
        }
    }

    /// Stores statistics that no event goes with. A failure is logged and not retried.
    func updateStatistics(_ statistics: StatisticsUpdates) async {
        do throws(TaskStoreError) {
            _ = try await store.apply([], at: time.now(), updating: statistics.updates)
        } catch {
            logger.error("Could not store the statistics of a call: \(error.message)")
        }
    }

    /// Moves the due times of tasks. A failure is logged and not retried: they are due earlier than intended.
    func postpone(_ ids: [TaskID], until point: Timestamp) async {
        guard !ids.isEmpty else { return }
        do throws(TaskStoreError) {
            try await store.postpone(ids, until: point)
        } catch {
            logger.error("Could not put off \(ids.count) task(s): \(error.message)")
        }
    }
}
