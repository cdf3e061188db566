import ServiceLifecycle
import Synchronization
package import TaskModel
package import TaskStore

/// ExchangeFates holds what became of replies of the gateway until it is stored.
///
/// A connection adds a fate when it knows it, without waiting for the disk. Each submission stores them before it decides
/// what it retries, so a retry always sees the fate of the request before it.
package final class ExchangeFates: Sendable {
    private let waiting = Mutex<[ExchangeFate]>([])
    package let wake = WakeSignal()

    /// Takes a fate.
    package func add(_ fate: ExchangeFate) {
        waiting.withLock { $0.append(fate) }
        wake.signal()
    }

    /// Those that are not stored yet, in order.
    package var unstored: [ExchangeFate] { waiting.withLock { $0 } }

    /// Forgets those that are stored.
    func drop(_ stored: [ExchangeFate]) {
        let marks = Set(stored)
        waiting.withLock { waiting in waiting.removeAll(where: marks.contains) }
    }
}

/// FateRecorder stores the fates of exchanges that no later submission stores.
package struct FateRecorder: Service {
    let fates: ExchangeFates
    let store: TaskStore
    let time: any TimeSource

    /// Stores what there is. Returns when to call again.
    package func step() async throws(TaskStoreError) -> Timestamp {
        let unstored = fates.unstored
        try await store.settle(unstored)
        fates.drop(unstored)
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
