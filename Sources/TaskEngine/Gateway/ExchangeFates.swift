import ServiceLifecycle
import Synchronization
package import TaskModel
package import TaskStore

/// ExchangeFates holds what became of replies of the gateway until it is stored.
///
/// A connection adds a fate when it knows it, without waiting for the disk. Each submission stores them before it decides
/// what it retries, so a retry always sees the fate of the request before it.
package final class ExchangeFates: Sendable {
    /// The latest exchange of a task, as long as it matters whether its program asks about the task.
    private struct Watched {
        let exchange: OpenExchange
        /// When the reply was delivered; nil before.
        var deliveredAt: Timestamp?
        var isAskedFor = false
    }

    private struct State {
        var unstored: [ExchangeFate] = []
        var watched: [TaskID: Watched] = [:]
        /// With as many, those that can be claimed no more are dropped.
        var mostWatched = 1_000

        mutating func dropOld(at now: Timestamp) {
            guard watched.count > mostWatched else { return }
            watched = watched.filter { _, watched in
                watched.deliveredAt.map { now - $0 <= JoinRule.deliveredWindow } ?? true
            }
            mostWatched = max(1_000, watched.count * 2)
        }
    }

    private let state = Mutex(State())
    package let wake = WakeSignal()

    /// Those that are not stored yet, in order.
    package var unstored: [ExchangeFate] { state.withLock { $0.unstored } }

    /// Notes that the task of an exchange is shown from now on.
    func watch(_ exchange: OpenExchange, at now: Timestamp) {
        state.withLock { state in
            state.watched[exchange.task] = Watched(exchange: exchange)
            state.dropOld(at: now)
        }
    }

    /// Watches the delivered exchanges of other processes.
    func watch(_ delivered: [(task: TaskID, fate: ExchangeFate)], at now: Timestamp) {
        state.withLock { state in
            for (task, fate) in delivered where state.watched[task] == nil {
                let exchange = OpenExchange(task: task, mark: fate.mark, contentKey: fate.contentKey)
                state.watched[task] = Watched(exchange: exchange, deliveredAt: fate.at)
            }
            state.dropOld(at: now)
        }
    }

    /// Takes what became of a reply.
    func add(_ fate: Exchange.Fate, of exchange: OpenExchange, at now: Timestamp) {
        state.withLock { state in
            var fate = fate
            if let watched = state.watched[exchange.task], watched.exchange == exchange {
                if fate == .delivered, watched.isAskedFor { fate = .received }
                state.watched[exchange.task]?.deliveredAt = now
                if fate != .delivered { state.watched[exchange.task] = nil }
            }
            state.unstored.append(exchange.fate(fate, at: now))
        }
        wake.signal()
    }

    /// Takes that the program of a task asks about it. It has the task's id from the reply to its submission.
    package func noteAsked(about task: TaskID, at now: Timestamp) {
        let isReceived = state.withLock { state in
            guard let watched = state.watched[task], !watched.isAskedFor else { return false }
            guard watched.deliveredAt != nil else {
                // The fate of its connection is not known yet.
                state.watched[task]?.isAskedFor = true
                return false
            }
            state.watched[task] = nil
            state.unstored.append(watched.exchange.fate(.received, at: now))
            return true
        }
        if isReceived { wake.signal() }
    }

    /// Stores those that are not stored yet.
    func store(in store: TaskStore) async throws(TaskStoreError) {
        let unstored = unstored
        try await store.settle(unstored)
        drop(unstored)
    }

    /// Forgets those that are stored.
    func drop(_ stored: [ExchangeFate]) {
        let marks = Set(stored)
        state.withLock { state in state.unstored.removeAll(where: marks.contains) }
    }
}

extension OpenExchange {
    fileprivate func fate(_ fate: Exchange.Fate, at now: Timestamp) -> ExchangeFate {
        ExchangeFate(mark: mark, contentKey: contentKey, fate: fate, at: now)
    }
}

/// FateRecorder stores the fates of exchanges that no later submission stores.
package struct FateRecorder: Service {
    let fates: ExchangeFates
    let store: TaskStore
    let time: any TimeSource

    /// Stores what there is. Returns when to call again.
    package func step() async throws(TaskStoreError) -> Timestamp {
        try await fates.store(in: store)
        return time.now() + .seconds(60)
    }

    /// Runs until shutdown. A fate that cannot be stored stays in memory. After a crash its exchange counts as undelivered.
    package func run() async throws {
        try await withGracefulShutdownHandler {
            while !Task.isCancelled {
                let isLast = Task.isShuttingDownGracefully
                do throws(TaskStoreError) {
                    let next = try await step()
                    if isLast { return }
                    await fates.wake.wait(until: next, on: time)
                } catch {
                    if isLast { return }
                    if case .damaged = error { throw error }
                    await time.sleep(until: time.now() + .seconds(2))
                }
            }
        } onGracefulShutdown: {
            fates.wake.signal()
        }
    }
}
