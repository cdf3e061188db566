import Logging
package import TaskModel
package import TaskStore

/// LogFollower delivers what other processes commit to the subscribers of the log, and reads again what they change without
/// a line in it: circuit breakers, the gateway's tokens and its delivered replies, and whether the database is a copy.
///
/// It runs only for a store that several processes use.
package struct LogFollower: Worker {
    let store: TaskStore
    let breakers: CircuitBreakers
    let tokens: LocalTokens
    let fates: ExchangeFates
    let hold: StartHold
    let witness: WitnessCheck
    let wakes: WakeSignals
    let logger: Logger

    /// The longest time after which a change by another process is known here. A hint makes it shorter.
    static let interval = Duration.seconds(1)

    package var wake: WakeSignal { wakes.following }

    package func claim(into work: inout [TaskID], at now: Timestamp) async throws(TaskStoreError) -> Timestamp {
        try await store.log.follow()
        let shared = try await store.sharedState()
        tokens.take(shared.tokens)
        // A program may ask this machine about a task that it submitted at another one.
        if !shared.tokens.isEmpty {
            // Older ones are claimed no more.
            fates.watch(try await store.deliveredExchanges(since: now - JoinRule.deliveredWindow * 2), at: now)
        }
        if breakers.take(shared.circuits) { wakes.signalAll() }
        let isAwaited = shared.restored?.journals?.awaited.contains { $0.token == store.holder.token } ?? false
        if shared.isOnOtherServer || isAwaited || store.mustCompareJournal(with: shared.server) {
            breakers.replaceAll(by: shared.circuits)
            try await witness.check(at: now)
        } else if hold.mode != shared.restored {
            hold.set(shared.restored)
            wakes.signalAll()
        }
        if let journals = hold.mode?.journals, journals.awaited.isEmpty, try await store.endJournalWait(at: now) {
            hold.set(nil)
            logger.notice("Every machine has compared its journal of attempts with the database. Paid requests go on.")
            wakes.signalAll()
        }
        return now + Self.interval
    }

    package func perform(_ work: TaskID) async {}
}
