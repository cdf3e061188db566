import GRDB
import SQLiteRaw
import Synchronization
import TaskStore

/// Keeps the write-ahead log small while commits continue, and maintains the database's ``Generation``.
///
/// SQLite's automatic checkpoint runs inside commits and restarts the log only when no reader uses it. Under load that may
/// never happen. This type checkpoints between commits instead: passively after each ``interval``, and above ``highMark``
/// with a short wait for readers, so that the log restarts. If a long read prevents the restart, the next growth retries.
final class WriteAheadLog: Sendable {
    /// Pages of 4 KiB between checkpoints, as in SQLite itself (https://sqlite.org/wal.html#automatic_checkpoint).
    static let interval = 1_000
    /// The size in pages (16 MiB) above which the log must restart.
    static let highMark = 4_000
    /// How long a checkpoint above the mark waits for readers, in milliseconds. Writes wait with it.
    static let patience: Int32 = 50

    private struct State {
        var pages = 0
        /// The size of the log at the latest checkpoint.
        var copiedAt = 0
        /// The generation of the latest commit.
        var generation = 0
        /// Whether the database contains the whole log, so that the next commit may overwrite the log.
        var isCopied = false
        var marked: Int?
        /// Retained as long as the connection may call it.
        var hook: CommitHook?
    }

    private let state = Mutex(State())
    private let mark: GenerationMark
    private let interval: Int

    init(mark: GenerationMark, interval: Int = interval) {
        self.mark = mark
        self.interval = interval
    }

    /// Replaces SQLite's automatic checkpoint on the writing connection, which must not outlive this object.
    ///
    /// The log is first copied into the database. A daemon that was killed after a failed write may leave a log that is
    /// complete only in the system's memory. The copy puts it on disk before anything depends on it.
    /// complete only in the system's memory. The copy puts it on disk before anything depends on it.
    func attach(to db: Database) throws {
        // A log above the mark is truncated when it restarts. Below it the file stays, because overwriting is cheaper
        // than growing.
        try db.execute(sql: "PRAGMA journal_size_limit = \(Self.highMark * 4_096)")
        let hook = CommitHook { [weak self] pages in self?.grew(to: pages) }
        hook.attach(to: db)
        let generation = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        state.withLock { state in
            state.generation = generation
            state.hook = hook
        }
        do {
            try copy(.truncate, in: db)
        } catch {
            // If the disk is full, or another program reads, the log continues unchanged.
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
            // The log restarted.
            if pages < state.pages { state.copiedAt = 0 }
            state.pages = pages
        }
    }

    // MARK: Generations

    /// The generation that the next commit must write into the database; nil if it does not change.
    var nextGeneration: Int? { state.withLock { $0.isCopied ? $0.generation + 1 : nil } }

    /// Records that a commit of that generation is on disk.
    func began(_ generation: Int) {
        state.withLock { state in
            state.generation = generation
            state.isCopied = false
        }
        writeMark(generation)
    }

    /// Writes the mark. If that fails, a lost log may go unnoticed until the next mark.
    private func writeMark(_ generation: Int) {
        guard state.withLock({ $0.marked != generation }), mark.write(generation) else { return }
        state.withLock { $0.marked = generation }
    }

    // MARK: Checkpoints

    /// Copies the log into the database if it is due. A failure loses nothing, because the log still has everything.
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
        if kind != .passive { db.setBusyTimeout(milliseconds: Self.patience) }
        defer {
            if kind != .passive { db.setBusyTimeout(milliseconds: Int32(DatabaseFile.busyTimeout * 1_000)) }
        }
        let (pages, copied) = try db.checkpoint(kind)
        if pages == copied { state.withLock { $0.isCopied = true } }
    }
}
