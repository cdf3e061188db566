import Logging
import PollingPolicy
import ProviderCatalog
import TaskModel
package import TaskStore

/// Recovers the state at a start, before the loops begin.
package struct StartupRecovery: Sendable {
    let store: TaskStore
    @Current var catalog: ProviderCatalog
    let accounts: ProviderAccounts
    let hold: StartHold
    let fates: ExchangeFates
    let starts: StartChecker
    let schedule: ScheduleCorrector
    let witness: WitnessCheck
    let time: any TimeSource
    let logger: Logger

    /// Ends the leases of the previous daemon and declares the submissions under them lost. The requests may have been
    /// sent, so only the provider's list, a person or a policy decides. All other tasks continue from their rows.
    package func run() async throws(TaskStoreError) {
        try await store.beginJournal()
        // Other processes may be alive if they share the store. Their leases expire by themselves.
        let isAlone = store.leaseTerm == nil
        if isAlone {
            // The instance lock is held, so no other process that starts work is alive.
            try await store.endOtherLeases(at: time.now())
            // Their connections ended with the process.
            try await store.endOpenExchanges(at: time.now())
        }
        fates.watch(try await store.deliveredExchanges(), at: time.now())
        accounts.former.set(try await store.leaseEnds())
        let runningUntil = try await witness.check(at: time.now())
        // In a copy, the request may also have been sent again later, by the daemon that continued.
        let reason = TaskFailure(
            code: hold.mode == nil && isAlone ? TaskFailure.daemonStopped : TaskFailure.replyLost,
            message: "The daemon stopped while the request was being sent.")
        let now = time.now()
        _ = try await store.endLostSubmissions(at: now) { task in
            ScheduledEvent(.submissionInterrupted(reason, isProbablyRefused: false), for: task.id, nextDueAt: now)
        }
        // The clock was ahead when these times were computed. Without a repair the tasks would wait until then.
        try await schedule.repairFutureDueTimes(at: time.now())
        var open: [TaskState: Int] = [:]
        var gone: [EndpointName: Int] = [:]
        let counts = try await store.counts()
        for count in counts where !count.state.hasEnded {
            open[count.state, default: 0] += count.count
            if catalog.endpoint(count.endpoint) == nil { gone[count.endpoint, default: 0] += count.count }
        }
        for (owner, count) in accounts.gone(in: counts, catalog) {
            logger.warning(
                """
                \(count) task(s) of account \(owner.account) of \(owner.provider) wait: the settings have no such account any more. \
                Nothing is lost. Add it to providers.\(owner.provider).accounts again and run `pollux reload`.
                """)
        }
        for (endpoint, count) in gone.sorted(by: { $0.key < $1.key }) {
            logger.warning(
                """
                \(count) task(s) of \(endpoint) wait: no definition has that endpoint any more. Nothing is lost. \
                Restore its definition and run `pollux reload`.
                """)
        }
        // A process that shares the store has sent the queue meanwhile, and would not have sent it from an older copy.
        if let runningUntil, try await !store.hasOtherLeases(at: time.now()) {
            let queued = Set(counts.filter { $0.state == .queued && $0.count > 0 }.map(\.endpoint))
            try await starts.begin(queued, since: runningUntil)
        }
        if !open.isEmpty {
            let list = TaskState.open.compactMap { state in open[state].map { "\($0) \(state)" } }
            logger.info("Continuing with \(list.joined(separator: ", ")).")
        }
    }
}
