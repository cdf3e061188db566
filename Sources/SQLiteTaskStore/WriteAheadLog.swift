import GRDB
import GRDBSQLite
import Synchronization

/// Keeps the write-ahead log small while commits go on.
///
/// SQLite by itself copies the log into the database within a commit, at every commit once the log has 1,000 pages, and
/// begins the log anew only at a moment when nobody reads from it; under load that moment may never come. So it is done
/// here, between commits: a copy that waits for nobody each time the log has grown by so much, and above a high mark one
/// that waits a moment for readers, so that the log begins anew. What is in the way then is a read that takes long; it is
/// tried again when the log has grown further.
final class WriteAheadLog: Sendable {
    /// Pages of 4 KiB between copies: what SQLite itself takes (https://sqlite.org/wal.html#automatic_checkpoint).
    static let interval = 1_000
    /// Pages from which on the log has to begin anew: 16 MiB.
    static let highMark = 4_000
    /// How long a copy above the mark waits for readers. Writes wait with it.
    static let patience: Int32 = 50

    private struct Size {
        var pages = 0
        /// At the latest copy.
        var copiedAt = 0
    }

    private let size = Mutex(Size())

    /// Takes over from SQLite on the connection that writes, which must not outlive this.
    func attach(to db: Database) throws {
        // A log that had to grow past the mark shrinks when it begins anew; below it stays as it is, since writing over
        // what is there is cheaper than growing.
        try db.execute(sql: "PRAGMA journal_size_limit = \(Self.highMark * 4_096)")
        sqlite3_wal_hook(
            db.sqliteConnection,
            { context, _, _, pages in
                if let context {
                    Unmanaged<WriteAheadLog>.fromOpaque(context).takeUnretainedValue().grew(to: Int(pages))
                }
                return SQLITE_OK
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    private func grew(to pages: Int) {
        size.withLock { size in
            // It began anew.
            if pages < size.pages { size.copiedAt = 0 }
            size.pages = pages
        }
    }

    /// Copies the log into the database if it is time. A failure changes nothing: the log has everything, and the next
    /// copy is made from it.
    func checkpointIfDue(in db: Database) {
        let pages = size.withLock { size -> Int? in
            guard size.pages - size.copiedAt >= Self.interval else { return nil }
            size.copiedAt = size.pages
            return size.pages
        }
        guard let pages else { return }
        guard pages >= Self.highMark else {
            _ = try? db.checkpoint(.passive)
            return
        }
        sqlite3_busy_timeout(db.sqliteConnection, Self.patience)
        _ = try? db.checkpoint(.restart)
        sqlite3_busy_timeout(db.sqliteConnection, Int32(DatabaseFile.busyTimeout * 1_000))
    }
}
