import Logging
import ServiceLifecycle
package import TaskModel
package import TaskStore

/// LeaseRenewal renews the leases of this process, and takes over those of processes that have died.
///
/// It runs only for a store that several processes use.
package struct LeaseRenewal: Worker {
    let store: TaskStore
    let leases: LeaseKeeper
    let clock: DatabaseClock
    let wakes: WakeSignals
    let logger: Logger

    package var wake: WakeSignal { wakes.leases }

    package func claim(into work: inout [TaskID], at now: Timestamp) async throws(TaskStoreError) -> Timestamp {
        _ = try await leases.acquire(LeaseName(processOf: store.holder.token), at: now)
        let (next, isNew) = try await leases.renew(at: now)
        try await clock.adjust()
        if try await store.hasLostSubmissions(at: now) {
            // Its process may only have stood still and may send later, so this is not the end of a daemon.
            let reason = TaskFailure(
                code: TaskFailure.replyLost,
                message: "The daemon that was sending the request has not renewed its lease.")
            let lost = try await store.endLostSubmissions(at: now) { task in
                ScheduledEvent(.submissionInterrupted(reason, isProbablyRefused: false), for: task.id, nextDueAt: now)
            }
            // Another process may have been faster.
            if !lost.isEmpty {
                logger.warning(
                    "Another daemon has not renewed its lease while it sent \(lost.count) task(s). The provider is asked about them."
                )
            }
        }
        if isNew { wakes.signalAll() }
        return next
    }

    package func perform(_ work: TaskID) async {}
}

/// Runs the renewal, and releases all leases at the end. It must stop after all work that needs a lease.
package struct LeaseService: Service {
    let loop: WorkerLoop<LeaseRenewal>

    package func run() async throws {
        try await loop.run()
        let (store, time) = (loop.worker.store, loop.time)
        do throws(TaskStoreError) { try await store.releaseLeases(at: time.now()) } catch {
            loop.logger.warning("The leases could not be released, so they expire: \(error.message)")
        }
        loop.worker.leases.forgetAll()
    }
}
