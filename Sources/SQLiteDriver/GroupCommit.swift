import GRDB
import SQLiteRaw
import StoreSQL
import Synchronization
import TaskStore

/// The only writer. Writes that arrive during a commit share the next one.
///
/// An uncontended write starts immediately. Writes run in the order of their arrival, and each returns after the shared
/// commit is on disk. If one write fails, the group runs again with a savepoint per write, and only the failed write is
/// undone. So a write may run twice and must depend only on the database.
///
/// If the commit fails, every write of the group fails. An error after which the commit may still be on disk is reported as
/// ``TaskStoreError/unknown``; the remains of that commit in the log are overwritten before the next write.
final class GroupCommit: Sendable {
    /// The work of one caller, and the report of its outcome.
    private struct Write: Sendable {
        /// Does the work. The returned closure reports success and runs after the commit.
        let attempt: @Sendable (Database) throws -> @Sendable () -> Void
        let fail: @Sendable (any Error) -> Void
    }

    private struct Queue {
        var waiting: [Write] = []
        /// Whether a commit is running; the waiting writes follow it.
        var isServed = false
    }

    /// The maximum number of writes in one commit. It makes the cost of the commit negligible, and the first write
    /// still returns within some 20 ms.
    static let maxGroup = 256

    private let pool: DatabasePool
    private let log: WriteAheadLog
    private let files: OpenedFiles
    /// Collects the counts that the writes of a transaction change.
    let counter = TaskCounter()
    /// The cached statements of the writer's connection.
    let prepared = StatementCache()
    private let thread: SQLiteDriver.WritingThread
    private let queue = Mutex(Queue())
    private let tail = Mutex(LogTail.settled)

    /// Whether the end of the log may contain a failed commit, which recovery after a crash would restore.
    enum LogTail { case settled, unsettled }

    /// Whether the database would have the same contents after a crash.
    var isSettled: Bool { tail.withLock { $0 == .settled } }

    init(pool: DatabasePool, log: WriteAheadLog, files: OpenedFiles, thread: SQLiteDriver.WritingThread) {
        self.pool = pool
        self.log = log
        self.files = files
        self.thread = thread
    }

    /// Runs one write to its end, even if the caller is cancelled, and returns after it is on disk.
    ///
    /// `committed` is called on the writer's thread after the commit, in the order of the writes.
    func write<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value,
        committed: @escaping @Sendable (Value) -> Void = { _ in }
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            enqueue(body) { outcome in
                if case .success(let value) = outcome { committed(value) }
                continuation.resume(with: outcome)
            }
        }
    }

    /// Adds a write to the queue. `completion` is called after the write is on disk or has failed.
    func enqueue<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value,
        completion: @escaping @Sendable (Result<Value, any Error>) -> Void
    ) {
        let write = Write(
            attempt: { db in
                let value = try body(db)
                return { completion(.success(value)) }
            },
            fail: { completion(.failure($0)) })
        let isFirst = queue.withLock { queue in
            queue.waiting.append(write)
            defer { queue.isServed = true }
            return !queue.isServed
        }
        if isFirst { serve() }
    }

    /// Commits one group on the writer's queue, then enqueues the next one after the other work there.
    private func serve() {
        switch thread {
        case .writers: pool.asyncWriteWithoutTransaction { [self] db in if serveGroup(in: db) { serve() } }
        case .callers: while pool.writeWithoutTransaction({ serveGroup(in: $0) }) {}
        }
    }

    /// Commits one group; returns whether more writes have arrived in the meantime.
    private func serveGroup(in db: Database) -> Bool {
        let group = nextGroup()
        if settle(in: db) {
            commit(group, in: db)
        } else {
            for write in group { write.fail(TaskStoreError.unsettled) }
        }
        if isSettled { log.checkpointIfDue(in: db) }
        return queue.withLock { queue in
            queue.isServed = !queue.waiting.isEmpty
            return queue.isServed
        }
    }

    private func nextGroup() -> [Write] {
        queue.withLock { queue in
            let group = Array(queue.waiting.prefix(Self.maxGroup))
            queue.waiting.removeFirst(group.count)
            return group
        }
    }

    private func commit(_ group: [Write], in db: Database) {
        let outcomes = (group.count > 1 ? commitAsOne(group, in: db) : nil) ?? commitInSavepoints(group, in: db)
        // Settled now, not before the next write: a crash in between would store what was reported as unknown.
        _ = settle(in: db)
        for outcome in outcomes { outcome() }
    }

    /// Commits the group without savepoints, which cost as much as a small write. Returns nil if a write fails. Nothing
    /// is stored then, and the group needs savepoints.
    private func commitAsOne(_ group: [Write], in db: Database) -> [@Sendable () -> Void]? {
        var outcomes: [@Sendable () -> Void] = []
        var isInBody = false
        do {
            try inTransaction(in: db) {
                counter.changes = TaskCounter.Changes()
                isInBody = true
                for write in group { outcomes.append(try write.attempt(db)) }
                isInBody = false
                try counter.write(in: RawConnection(db, prepared))
            }
            return outcomes
        } catch {
            return isInBody ? nil : group.map { write in { write.fail(error) } }
        }
    }

    /// Commits the group with a savepoint per write, so that only a failed write is undone.
    private func commitInSavepoints(_ group: [Write], in db: Database) -> [@Sendable () -> Void] {
        var outcomes: [@Sendable () -> Void] = []
        var tried: ArraySlice<Write> = []
        do {
            try inTransaction(in: db) {
                counter.changes = TaskCounter.Changes()
                for (index, write) in group.enumerated() {
                    tried = group[...index]
                    let before = counter.changes
                    do {
                        outcomes.append(try attempt(write, alone: group.count == 1, in: db))
                    } catch  where db.isInsideTransaction && group.count > 1 {
                        counter.changes = before
                        outcomes.append { write.fail(error) }
                    }
                }
                try counter.write(in: RawConnection(db, prepared))
            }
        } catch {
            // The commit failed, or SQLite rolled back the transaction by itself, as it may when the disk is full
            // (https://sqlite.org/lang_transaction.html). The writes that ran have failed; the others go back to the queue.
            if tried.isEmpty { tried = group[...] }
            outcomes = tried.map { write in { write.fail(error) } }
            let rest = group[tried.endIndex...]
            queue.withLock { queue in queue.waiting.insert(contentsOf: rest, at: 0) }
        }
        return outcomes
    }

    /// Runs a transaction, like GRDB's method of this name, with two differences. BEGIN and COMMIT are compiled once,
    /// because compiling them takes as long as a small write. A transaction that SQLite rolled back by itself is an
    /// error, even if a write ignores SQLite's error.
    private func inTransaction(in db: Database, _ body: () throws -> Void) throws {
        try files.check()
        try db.cachedStatement(sql: "BEGIN IMMEDIATE").execute()
        let generation = log.nextGeneration
        do {
            if let generation { try db.execute(sql: "PRAGMA user_version = \(generation)") }
            try body()
            // SQLite may have rolled it back by itself. Later statements then ran outside the transaction.
            guard db.isInsideTransaction else {
                throw DatabaseError(resultCode: .SQLITE_ABORT, message: "the transaction was given up")
            }
        } catch {
            if db.isInsideTransaction { try? db.rollback() }
            throw error
        }
        try commit(in: db)
        if let generation { log.began(generation) }
        // If the file was deleted meanwhile, the commit is in a file that no start will open again.
        do { try files.check() } catch { throw TaskStoreError.unknown }
    }

    private func commit(in db: Database) throws {
        do {
            try db.cachedStatement(sql: "COMMIT").execute()
        } catch {
            if db.isInsideTransaction { try? db.rollback() }
            guard error.mayBeOnDisk else { throw error }
            tail.withLock { $0 = .unsettled }
            throw TaskStoreError.unknown
        }
    }

    /// Overwrites what a failed commit may have left in the log; returns false if the disk still fails.
    ///
    /// SQLite leaves the frames of that commit in the log but ignores them, and the next commit overwrites them. A crash
    /// before that restores them, because recovery takes each complete transaction in the log
    /// (https://sqlite.org/fileformat2.html#recovery).
    private func settle(in db: Database) -> Bool {
        guard !isSettled else { return true }
        do {
            try overwriteTail(in: db)
        } catch {
            // If the index of the log cannot grow, no commit succeeds before the log restarts.
            guard (try? db.checkpoint(.truncate)) != nil, (try? overwriteTail(in: db)) != nil else { return false }
        }
        tail.withLock { $0 = .settled }
        return true
    }

    /// Commits without a change: writes the page that has the generation.
    private func overwriteTail(in db: Database) throws {
        try files.check()
        try db.inTransaction(.immediate) {
            let generation = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
            try db.execute(sql: "PRAGMA user_version = \(generation)")
            return .commit
        }
    }

    /// Runs one write, in a savepoint if the transaction has other writes.
    private func attempt(_ write: Write, alone: Bool, in db: Database) throws -> @Sendable () -> Void {
        guard !alone else { return try write.attempt(db) }
        var outcome: @Sendable () -> Void = {}
        try db.inSavepoint {
            outcome = try write.attempt(db)
            return .commit
        }
        return outcome
    }
}
