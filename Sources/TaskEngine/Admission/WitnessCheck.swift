import Logging
import TaskModel
import TaskStore

/// WitnessCheck determines whether the database is an older copy: before anything is sent, and whenever the server of a shared
/// store is another one.
struct WitnessCheck: Sendable {
    let store: TaskStore
    let hold: StartHold
    let random: EngineRandom
    let wakes: WakeSignals
    let logger: Logger

    /// Enters the mode `restored` if it is a copy. Otherwise returns when it was last in use.
    @discardableResult
    func check(at now: Timestamp) async throws(TaskStoreError) -> Timestamp? {
        let mode: RestoredMode
        switch try await store.checkWitness(newEpoch: random.epoch(), at: now) {
        case .noCopy(let runningUntil): return runningUntil
        case .copy(let found): mode = found
        }
        hold.set(mode)
        wakes.signalAll()
        logger.critical(
            """
            \(mode.reason) Tasks that were queued in it may have been sent since \(mode.since.rfc3339), so nothing paid is \
            sent. `pollux restore` shows what was found; `pollux restore --accept` sends the rest.
            """)
        return nil
    }
}
