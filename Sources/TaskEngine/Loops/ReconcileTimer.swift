import Logging
import ProviderCatalog
package import TaskModel
package import TaskStore

/// Compares the providers' lists with the tasks as often as the settings say.
///
/// The time of the latest comparison is in the database, so a restart neither skips nor repeats one.
package struct ReconcileTimer: Worker {
    /// One comparison.
    package struct Work: Sendable {
        let since: Timestamp
    }

    let store: TaskStore
    let service: ReconcileService
    /// The time between two comparisons; nil if there are none.
    @Current var interval: Duration?
    let hold: StartHold
    let wakes: WakeSignals
    let time: any TimeSource
    let logger: Logger

    /// How far a comparison reaches into the period of the one before, which could not judge its latest tasks.
    private static let overlap: Duration = .seconds(3_600)

    package var wake: WakeSignal { wakes.reconciliation }

    package func claim(into work: inout [Work], at now: Timestamp) async throws(TaskStoreError) -> Timestamp {
        // A copy lacks what was submitted after it was made, so every such record would be an orphan.
        guard let interval, hold.mode == nil else { return now + .seconds(3_600) }
        guard let latest = try await store.latestReconciliation() else {
            try await store.noteReconciliation(at: now)
            return now + interval
        }
        // A later time comes from before the clock was set back.
        guard latest > now || latest + interval <= now else { return latest + interval }
        try await store.noteReconciliation(at: now)
        if latest <= now { work.append(Work(since: min(latest, now - ReconcileService.defaultSpan) - Self.overlap)) }
        return now + interval
    }

    package func perform(_ work: Work) async {
        do throws(TaskServiceError) {
            _ = try await service.run(since: work.since, isScheduled: true)
        } catch {
            logger.error("The providers' lists could not be compared with the tasks: \(error.message)")
        }
    }
}
