import GRDB
import Synchronization
import TaskStore
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Checks all pages of a database that is too large to be checked while the daemon starts.
///
/// It reads the whole file once. It must not delay other work, so it runs on a thread of the lowest priority, on a
/// connection with a small cache. It goes table by table, because the log cannot restart during a long read.
final class PageCheck: Sendable {
    private enum Result {
        case pending
        case sound
        case damaged(String)
    }

    private let path: String
    private let configuration: Configuration
    private let result: Mutex<Result>

    /// `isDone` if the pages were checked before.
    init(path: String, configuration: Configuration, isDone: Bool) {
        self.path = path
        var configuration = configuration
        configuration.readonly = true
        self.configuration = configuration
        result = Mutex(isDone ? .sound : .pending)
    }

    /// Whether all pages are known to be sound; throws if one is damaged.
    func isDone() throws(TaskStoreError) -> Bool {
        switch result.withLock({ $0 }) {
        case .pending: return false
        case .sound: return true
        case .damaged(let what): throw .damaged(what)
        }
    }

    /// Checks all pages, unless that was done.
    func run() async throws(TaskStoreError) {
        guard try !isDone() else { return }
        let queue: DatabaseQueue
        do { queue = try DatabaseQueue(path: path, configuration: configuration) } catch {
            throw TaskStoreError(translating: error)
        }
        let damage = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                LowPriorityThread.run(niceness: 19) { continuation.resume(returning: Self.damage(in: queue)) }
            }
        } onCancel: {
            queue.interrupt()
        }
        switch damage {
        case .success(nil): result.withLock { $0 = .sound }
        case .success(let what?):
            result.withLock { $0 = .damaged(what) }
            throw .damaged(what)
        case .failure(let error): throw TaskStoreError(translating: error)
        }
    }

    /// A description of the damage; nil if there is none.
    private static func damage(in queue: DatabaseQueue) -> Swift.Result<String?, any Error> {
        Swift.Result {
            let tables = try queue.unsafeRead { db in
                try db.execute(sql: "PRAGMA cache_size = -2000")
                // The check of a table includes its indexes.
                return try String.fetchAll(db, sql: "SELECT name FROM sqlite_schema WHERE type = 'table'")
            }
            for table in ["sqlite_schema"] + tables {
                // https://sqlite.org/pragma.html#pragma_quick_check
                let report = try queue.unsafeRead { db in
                    try String.fetchOne(db, sql: "PRAGMA quick_check(\(table.quotedDatabaseIdentifier))")
                }
                if let report, report != "ok" { return report }
            }
            return nil
        }
    }
}

/// A thread with a lower priority than the rest of the daemon.
enum LowPriorityThread {
    private final class Work: Sendable {
        let niceness: Int32
        let body: @Sendable () -> Void
        init(niceness: Int32, _ body: @escaping @Sendable () -> Void) {
            self.niceness = niceness
            self.body = body
        }
    }

    /// `niceness` is 1 to 19; at 19 it runs when nothing else needs the processor.
    static func run(niceness: Int32, _ body: @escaping @Sendable () -> Void) {
        let work = Unmanaged.passRetained(Work(niceness: niceness, body))
        #if canImport(Darwin)
            var thread: pthread_t?
        #else
            var thread = pthread_t()
        #endif
        let failure = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                let work = Unmanaged<Work>.fromOpaque(context).takeRetainedValue()
                #if canImport(Glibc)
                    // On Linux this changes only the calling thread
                    // (https://man7.org/linux/man-pages/man2/setpriority.2.html).
                    _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, work.niceness)
                #endif
                work.body()
                return nil
            }, work.toOpaque())
        if failure == 0 {
            #if canImport(Darwin)
                if let thread { pthread_detach(thread) }
            #else
                pthread_detach(thread)
            #endif
        } else {
            // Without a new thread, the check runs on the caller's.
            work.takeRetainedValue().body()
        }
    }
}
