package import GRDB
import GRDBSQLite
import SQLiteSettings

/// Settings of the SQLite library for the whole process.
package enum SQLiteLibrary {
    /// Turns off SQLite's memory statistics, whose lock readers would wait for; call it before the first connection.
    package static func disableMemoryStatistics() { _ = isDisabled }

    private static let isDisabled = pollux_sqlite_disable_memory_statistics() == 0
}

extension Database {
    /// Sets how long a statement waits for a lock that another connection holds.
    package func setBusyTimeout(milliseconds: Int32) { sqlite3_busy_timeout(sqliteConnection, milliseconds) }

    /// Leaves the write-ahead log unchanged when this connection closes.
    package func keepLogOnClose() { pollux_sqlite_keep_log_on_close(sqliteConnection) }
}

/// A function that runs after each commit of a connection, with the number of pages in the write-ahead log.
///
/// It replaces SQLite's automatic checkpoint (https://sqlite.org/c3ref/wal_hook.html).
package final class CommitHook: Sendable {
    private let body: @Sendable (_ pages: Int) -> Void

    package init(_ body: @escaping @Sendable (_ pages: Int) -> Void) { self.body = body }

    /// Installs the hook, which must outlive the connection.
    package func attach(to db: Database) {
        sqlite3_wal_hook(
            db.sqliteConnection,
            { context, _, _, pages in
                if let context { Unmanaged<CommitHook>.fromOpaque(context).takeUnretainedValue().body(Int(pages)) }
                return SQLITE_OK
            }, Unmanaged.passUnretained(self).toOpaque())
    }
}
