import Logging
import ServiceLifecycle
import Synchronization
import TaskModel
import TaskStore

/// Checks the storage every four seconds, checks the contents of the database once, and updates the time of the witness.
///
/// Each loop also checks the storage before a claim. This service reports problems while the loops are idle.
package struct StorageKeeper: Service {
    let store: TaskStore
    let monitor: StorageMonitor
    let time: any TimeSource
    let logger: Logger

    package func run() async throws {
        try await cancelWhenGracefulShutdown {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await checkContents() }
                group.addTask {
                    let refreshedAt = Mutex(time.now())
                    await time.repeatEachCheck {
                        _ = await monitor.check()
                        let now = time.now()
                        if abs((now - refreshedAt.withLock { $0 }).inSeconds) >= 60 {
                            refreshedAt.withLock { $0 = now }
                            await store.refreshWitness(at: now)
                        }
                        return true
                    }
                    await store.refreshWitness(at: time.now())
                }
                // `waitForAll()` would also wait for the periodic check, which never ends.
                while try await group.next() != nil {}
            }
        }
    }

    /// Checks the contents until a check succeeds. Throws only if they are damaged, which stops the daemon.
    func checkContents() async throws(TaskStoreError) {
        while !Task.isCancelled {
            do throws(TaskStoreError) {
                try await store.checkContents()
                return
            } catch {
                guard !Task.isCancelled else { return }
                if case .damaged = error { throw error }
                logger.error("The database could not be checked, and nothing paid is sent: \(error.message)")
                await time.sleep(until: time.now() + .seconds(30))
            }
        }
    }
}
