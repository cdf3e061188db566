import ServiceLifecycle
import Synchronization
import TaskEngine
import TaskModel
import TaskStore

/// WriterWatchdog tells the service manager that the writer of the database makes progress.
///
/// A write proves it twice: when its transaction begins, because every earlier one has ended, and when it has ended. So the
/// service manager hears nothing only while one transaction takes long, and ends the daemon if that lasts its whole
/// interval. A disk that stands still for less, as for a snapshot, ends nothing. A failed write is progress too: the store reports it.
final class WriterWatchdog: Sendable {
    private let spacing: Duration
    private let time: any TimeSource
    private let feed: @Sendable () -> Void
    private let latest = Mutex(Duration?.none)

    /// `feed` is called at most four times in an interval, and at most once a second.
    init(interval: Duration, time: any TimeSource, feed: @escaping @Sendable () -> Void) {
        spacing = min(interval / 4, .seconds(1))
        self.time = time
        self.feed = feed
    }

    func noteProgress() {
        let now = time.elapsed()
        let isDue = latest.withLock { latest in
            guard latest.map({ now - $0 >= spacing }) ?? true else { return false }
            latest = now
            return true
        }
        if isDue { feed() }
    }
}

/// Tells the watchdog about each write of a driver.
struct WatchedDriver: StoreDriver {
    let base: any StoreDriver
    let watchdog: WriterWatchdog

    func write<Value: Sendable>(
        for call: StoreCall, _ body: @escaping @Sendable (any StoreTransaction) throws -> Value,
        committed: @escaping @Sendable (Value) -> Void
    ) async throws(TaskStoreError) -> Value {
        defer { watchdog.noteProgress() }
        return try await base.write(
            for: call,
            { [watchdog] transaction in
                watchdog.noteProgress()
                return try body(transaction)
            }, committed: committed)
    }

    func read<Value: Sendable>(
        for call: StoreCall, _ extent: ReadExtent, _ body: @escaping @Sendable (any StoreSnapshot) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        try await base.read(for: call, extent, body)
    }

    var leaseTerm: Duration? { base.leaseTerm }
    func condition() async -> StorageCondition { await base.condition() }
    func checkContents() async throws(TaskStoreError) { try await base.checkContents() }

    func backUp(
        into directory: String, with files: (any RecordFiles)?, at now: Timestamp
    ) async throws(BackupError) -> Backup {
        try await base.backUp(into: directory, with: files, at: now)
    }

    func info() async throws(TaskStoreError) -> StoreInfo { try await base.info() }
}

/// Writes an empty transaction twice in an interval, so that an idle writer shows that it can write.
struct WatchdogTimer: Service {
    let interval: Duration
    let driver: any StoreDriver
    let time: any TimeSource

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await time.sleep(until: time.now() + interval / 2)
                // The driver has noted the progress, and the store reports failures.
                try? await driver.write(for: .write("watchdog"), { _ in }, committed: { _ in })
            }
        }
    }
}
