import Logging
import PollingPolicy
import ProviderCatalog
import TaskModel
package import TaskStore

/// What a start does before the loops begin.
package struct StartupRecovery: Sendable {
    let store: TaskStore
    let catalog: ProviderCatalog
    let accounts: ProviderAccounts
    let hold: StartHold
    let schedule: ScheduleCorrector
    let random: EngineRandom
    let time: any TimeSource
    let logger: Logger

    /// Finds out whether the database is an older copy, before anything is sent.
    private func checkWitness() async throws(TaskStoreError) {
        let mode = try await store.checkWitness(newEpoch: random.epoch(), at: time.now())
        hold.set(mode)
        guard let mode else { return }
        logger.critical(
            """
            \(mode.reason) Tasks that were queued in it may have been sent since \(mode.since.rfc3339), so nothing paid is \
            sent. `pollux restore` shows what was found; `pollux restore --accept` sends the rest.
            """)
    }

    /// Ends the leases of the dead daemon and declares lost what it was sending under them: the requests may have gone out,
    /// so only the provider's list, a person or a stated policy decides. All other tasks continue from their rows.
    package func run() async throws(TaskStoreError) {
        // The instance lock is held, so no other process that starts work is alive.
        try await store.endOtherLeases()
        try await checkWitness()
        // In a copy the request may also have been sent again later, by the daemon that went on.
        let reason = TaskFailure(
            code: hold.mode == nil ? TaskFailure.daemonStopped : "reply_lost",
            message: "The daemon stopped while the request was being sent.")
        let now = time.now()
        _ = try await store.endLostSubmissions(at: now) { task in
            ScheduledEvent(.submissionInterrupted(reason, isProbablyRefused: false), for: task.id, nextDueAt: now)
        }
        // The clock was ahead when these were planned; they would sleep until it is there again.
        try await schedule.repairFutureDueTimes(at: time.now())
        var open: [TaskState: Int] = [:]
        var gone: [EndpointName: Int] = [:]
        var withoutAccount: [ProviderAccount: Int] = [:]
        for count in try await store.counts() where !count.state.hasEnded {
            open[count.state, default: 0] += count.count
            guard let profile = catalog.endpoint(count.endpoint) else {
                gone[count.endpoint, default: 0] += count.count
                continue
            }
            let owner = ProviderAccount(provider: profile.provider, account: count.account)
            if count.state != .queued, count.account != .unknown, accounts.account(owner) == nil {
                withoutAccount[owner, default: 0] += count.count
            }
        }
        for (owner, count) in withoutAccount.sorted(by: { $0.key < $1.key }) {
            logger.warning(
                """
                \(count) task(s) of account \(owner.account) of \(owner.provider) wait: the settings have no such account any more. \
                Nothing is lost; put it back into providers.\(owner.provider).accounts and start again.
                """)
        }
        for (endpoint, count) in gone.sorted(by: { $0.key < $1.key }) {
            logger.warning(
                """
                \(count) task(s) of \(endpoint) wait: no definition knows that endpoint any more. Nothing is lost; \
                put its definition back and start again.
                """)
        }
        if !open.isEmpty {
            let list = TaskState.open.compactMap { state in open[state].map { "\($0) \(state)" } }
            logger.info("Going on with \(list.joined(separator: ", ")).")
        }
    }
}
