import Logging
import ServiceLifecycle
import TaskModel
import TaskStore

/// Looks every other second whether the storage is still there, and checks its contents beside the other loops.
///
/// The loops look for themselves before they claim anything; this tells of trouble while none of them has anything to do.
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
                    while !Task.isCancelled {
                        _ = await monitor.check()
                        await time.sleepUntilNextCheck()
                    }
                }
                // Not `waitForAll()`, which would wait for the look that goes on.
                while try await group.next() != nil {}
            }
        }
    }

    /// Throws only where the contents are damaged, which ends the daemon; what cannot be read now is read later.
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
