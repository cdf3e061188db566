import Synchronization
import TaskModel
import TaskStore

/// The clock of the database, for the processes that share a store.
///
/// They compare due times, deadlines and attempts that others have written, so all of these come from one clock. Between two
/// readings it follows the machine's monotonic clock. A wall clock that is set on one machine changes nothing.
final class DatabaseClock: TimeSource {
    private let base: any TimeSource
    private let store: TaskStore
    /// The time of the database when the monotonic clock was zero.
    private let origin: Mutex<Timestamp>

    /// The smallest difference that is corrected. Smaller ones come from the reading itself.
    private static let tolerance = Duration.milliseconds(20)

    /// Reads the database's clock.
    init(_ base: any TimeSource, _ store: TaskStore) async throws(TaskStoreError) {
        self.base = base
        self.store = store
        origin = Mutex(try await store.now() - base.elapsed())
    }

    /// Reads the database's clock again.
    func adjust() async throws(TaskStoreError) {
        let before = base.elapsed()
        let shown = try await store.now()
        // The database has read its clock at some moment between.
        let half = (base.elapsed() - before) / 2
        let measured = shown - (before + half)
        origin.withLock { origin in
            if abs((measured - origin).inSeconds) > (half + Self.tolerance).inSeconds { origin = measured }
        }
    }

    func now() -> Timestamp { origin.withLock { $0 } + base.elapsed() }

    func elapsed() -> Duration { base.elapsed() }

    func sleep(until point: Timestamp) async { await base.sleep(until: base.now() + (point - now())) }

    func repeatEachCheck(_ body: @escaping @Sendable () async -> Bool) async { await base.repeatEachCheck(body) }
}
