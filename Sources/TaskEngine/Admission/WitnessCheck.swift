import Logging
import TaskModel
import TaskStore

/// WitnessCheck determines whether the database is an older copy, or lacks attempts of this machine: before anything is sent,
/// and whenever the server of a shared store is another one.
struct WitnessCheck: Sendable {
    let store: TaskStore
    let hold: StartHold
    let leases: LeaseKeeper
    let streams: EventStreams
    let random: EngineRandom
    let wakes: WakeSignals
    let logger: Logger

    /// Enters the mode `restored` if it is a copy. Otherwise returns when it was last in use.
    @discardableResult
    func check(at now: Timestamp) async throws(TaskStoreError) -> Timestamp? {
        // An attempt that was claimed before must not be sent after the journal was read.
        leases.forgetAll()
        let witness = try await store.checkWitness(newEpoch: random.epoch(), at: now)
        // The comparison may fail, and then the mode is still known.
        if let mode = witness.mode { hold.set(mode) }
        let journal = try await store.compareJournal(newEpoch: random.epoch(), at: now)
        if let journal { report(journal) }
        let mode = journal.map(\.mode) ?? witness.mode
        hold.set(mode)
        // The log may lack lines that clients have seen.
        streams.endAll()
        guard let mode else { return witness.runningUntil }
        wakes.signalAll()
        logger.critical("\(mode.reason) \(mode.explanation)")
        return nil
    }

    private func report(_ finding: JournalFinding) {
        if !finding.recovered.isEmpty {
            logger.warning(
                "The database had lost \(finding.recovered.count) attempt(s) of this machine. The provider is asked about them."
            )
        }
        for entry in finding.late {
            logger.critical(
                """
                The database had lost that attempt \(entry.attempt.number) of task \(entry.task) was sent at \
                \(entry.attempt.startedAt.rfc3339), and the task has gone on since. The provider may have accepted both.
                """)
        }
        for entry in finding.orphans {
            logger.critical(
                """
                The database has lost the task \(entry.task), which was sent at \(entry.attempt.startedAt.rfc3339). \
                `pollux reconcile` shows its record.
                """)
        }
    }
}

extension RestoredMode {
    /// What Pollux does in this mode, and what ends it, as sentences.
    var explanation: String {
        guard let journals else {
            return """
                Tasks that were queued in it may have been sent since \(since.rfc3339), so nothing paid is sent. \
                `pollux restore` shows what was found; `pollux restore --accept` sends the rest.
                """
        }
        guard let names = journals.words else {
            return "Every machine has compared its journal of attempts with it, so paid requests go on within seconds."
        }
        return """
            Nothing paid is sent until each machine has compared its journal of attempts with it. Awaited: \(names). If one of \
            them does not come back: `pollux restore --without MACHINE`.
            """
    }
}
