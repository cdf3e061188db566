import GRDB
import GRDBSQLite
import Synchronization
import TaskStore

/// Keeps the write-ahead log small while commits go on, and the database's ``Generation``.
///
/// SQLite's automatic checkpoint runs inside commits and restarts the log only when no reader uses it. Under load that may
/// never happen. This type checkpoints between commits instead: passively after each ``interval``, and above ``highMark``
/// with a short wait for readers, so that the log restarts. If a long read prevents the restart, the next growth retries.
final class WriteAheadLog: Sendable {
    /// Pages of 4 KiB between copies: what SQLite itself takes (https://sqlite.org/wal.html#automatic_checkpoint).
    static let interval = 1_000
    /// Pages from which on the log has to begin anew: 16 MiB.
    static let highMark = 4_000
    /// How long a copy above the mark waits for readers, in milliseconds. Writes wait with it.
    static let patience: Int32 = 50

    private struct State {
        var pages = 0
        /// At the latest copy.
        var copiedAt = 0
        /// What the latest commit says.
        var generation = 0
        /// Whether all of the log is in the database, so that the next commit may overwrite it.
        var isCopied = false
        var marked: Int?
    }

    private let state = Mutex(State())
    private let mark: GenerationMark
    private let interval: Int

    init(mark: GenerationMark, interval: Int = interval) {
        self.mark = mark
        self.interval = interval
    }

    /// Takes over from SQLite on the connection that writes, which must not outlive this.
    ///
    /// What is in the log is copied into the database first. A daemon that was killed after a failed write to disk leaves a
    /// log that may be whole in the system's memory only; the copy puts it on disk before anything rests on it.
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
        let generation = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        state.withLock { $0.generation = generation }
        do {
            try copy(.truncate, in: db)
        } catch {
            // Without room for it, or while another program reads, the log goes on as it is.
            guard [.full, .locked].contains(TaskStoreError(translating: error)) else { throw error }
        }
        if let next = nextGeneration {
            try db.execute(sql: "PRAGMA user_version = \(next)")
            began(next)
        } else {
            writeMark(generation)
        }
    }

    private func grew(to pages: Int) {
        state.withLock { state in
            // It began anew.
            if pages < state.pages { state.copiedAt = 0 }
            state.pages = pages
        }
    }

    // MARK: Generations

    /// The number that the next commit has to write into the database; nil where it goes on with the one that is there.
    var nextGeneration: Int? { state.withLock { $0.isCopied ? $0.generation + 1 : nil } }

    /// A commit with that number is on disk.
    func began(_ generation: Int) {
        state.withLock { state in
            state.generation = generation
            state.isCopied = false
        }
        writeMark(generation)
    }

    /// A mark that cannot be written changes nothing but that a log that gets lost may not be noticed; the next will do.
    private func writeMark(_ generation: Int) {
        guard state.withLock({ $0.marked != generation }), mark.write(generation) else { return }
        state.withLock { $0.marked = generation }
    }

    // MARK: Copies

    /// Copies the log into the database if it is time. A failure changes nothing: the log has everything, and the next
    /// copy is made from it.
    func checkpointIfDue(in db: Database) {
        let pages = state.withLock { state -> Int? in
            guard state.pages - state.copiedAt >= interval else { return nil }
            state.copiedAt = state.pages
            return state.pages
        }
        guard let pages else { return }
        writeMark(state.withLock { $0.generation })
        try? copy(pages >= Self.highMark ? .restart : .passive, in: db)
    }

    private func copy(_ kind: Database.CheckpointMode, in db: Database) throws {
        if kind != .passive { sqlite3_busy_timeout(db.sqliteConnection, Self.patience) }
        defer {
            if kind != .passive {
                sqlite3_busy_timeout(db.sqliteConnection, Int32(DatabaseFile.busyTimeout * 1_000))
            }
        }
        let (pages, copied) = try db.checkpoint(kind)
        if pages == copied { state.withLock { $0.isCopied = true } }
    }
}
