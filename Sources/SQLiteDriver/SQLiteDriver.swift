import FoundationEssentials
import GRDB
import GRDBSQLite
import SQLiteMemory
import SQLiteMigrations
package import TaskModel
package import TaskStore

/// The driver of one SQLite file: WAL, `synchronous=FULL`, one writer, readers beside it.
package struct SQLiteDriver: StoreDriver {
    /// The writer; its readers are for what may take long, so that it never keeps the short reads waiting.
    let pool: DatabasePool
    /// Where short reads are made.
    let shortReads: ShortReads
    private let files: OpenedFiles
    private let pages: PageCheck
    let writer: GroupCommit

    /// The thread that writes run on.
    package enum WritingThread: Sendable {
        /// The writer's own thread, so that callers do not block on the disk.
        case writers
        /// The caller's thread, which blocks: for programs without other work, such as tests.
        case callers
    }

    /// Opens the database, makes it if there is none, and brings its schema up to date.
    ///
    /// A new database is made beside its place and moved there whole, so that an empty or half-made file in that place
    /// is always damage. Nothing that exists is ever recreated: what is damaged, foreign or from a newer version is an
    /// error that says so, and so is a database that is gone, unless `mayBegin` allows an empty one in its place.
    package static func open(
        path: String, mayBegin: Bool = false, writing thread: WritingThread = .writers
    ) throws(TaskStoreError) -> SQLiteDriver {
        try open(path: path, configuration: DatabaseFile.configuration, mayBegin: mayBegin, writing: thread)
    }

    /// The same with connections that tests can look into.
    static func open(
        path: String, configuration: Configuration, mayBegin: Bool = false, writing thread: WritingThread = .writers,
        copyingLogEvery interval: Int = WriteAheadLog.interval
    ) throws(TaskStoreError) -> SQLiteDriver {
        _ = Self.countsNoMemory
        do throws(any Error) {
            let mark = GenerationMark(of: path)
            let generation = try DatabaseFile.prepare(path, mark: mark, mayBegin: mayBegin)
            let (reader, isWhole) = try DatabaseFile.check(
                path, generation: generation, mark: mark, configuration: configuration)
            let pool = try DatabaseFile.open(path, configuration: configuration)
            let log = WriteAheadLog(mark: mark, interval: interval)
            try pool.writeWithoutTransaction { db in try log.attach(to: db) }
            let files = OpenedFiles(of: path)
            try DatabaseFile.migrate(pool)
            // From here on it has the log open, and so can read on where somebody deletes the files.
            _ = try reader.read { db in try Int.fetchOne(db, sql: "PRAGMA user_version") }
            return SQLiteDriver(
                pool: pool,
                shortReads: ShortReads(path: path, configuration: configuration, files: files, first: reader),
                files: files, pages: PageCheck(path: path, configuration: configuration, isDone: isWhole),
                writer: GroupCommit(pool: pool, log: log, files: files, thread: thread))
        } catch {
            throw TaskStoreError(translating: error)
        }
    }

    /// Once for the process, before its first connection.
    private static let countsNoMemory = pollux_sqlite_count_no_memory() == 0

    /// Closes the file; waits for the write and the long reads under way. A short read ends by itself, with its connection.
    ///
    /// What is still in the write-ahead log is moved into the file first, so that the file alone is a whole backup.
    /// SQLite does that when a writer closes last, but GRDB closes its readers after it. Where the files were replaced, what
    /// stands at their paths now is left alone.
    package func close() throws(TaskStoreError) {
        do throws(any Error) {
            try shortReads.close()
            let emptying = Result {
                try pool.writeWithoutTransaction { db in
                    writer.prepared.discard()
                    do throws(TaskStoreError) {
                        try files.check()
                    } catch {
                        pollux_sqlite_keep_log_on_close(db.sqliteConnection)
                        throw error
                    }
                    _ = try db.checkpoint(.truncate)
                }
            }
            try pool.close()
            try emptying.get()
        } catch {
            throw TaskStoreError(translating: error)
        }
    }

    package func condition() async -> StorageCondition {
        do throws(TaskStoreError) {
            try files.check()
            try await beSettled()
            return try pages.isDone() ? .sound : .beingChecked
        } catch {
            return .failed(error)
        }
    }

    package func checkContents() async throws(TaskStoreError) { try await pages.run() }

    package func facts() async throws(TaskStoreError) -> StoreInfo {
        try await beSettled()
        let pages = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        do {
            let size = try shortReads.once { db in try Int64.fetchOne(db, sql: pages) } ?? 0
            return StoreInfo(path: pool.path, sizeInBytes: size + DatabaseFile.size(of: pool.path + "-wal"))
        } catch TaskStoreError.replaced {
            return StoreInfo(path: pool.path, sizeInBytes: 0)
        } catch {
            throw TaskStoreError(translating: error)
        }
    }
}

extension SQLiteDriver {
    package func write<Value: Sendable>(
        for call: StoreCall, _ body: @escaping @Sendable (any StoreTransaction) throws -> Value,
        committed: @escaping @Sendable (Value) -> Void
    ) async throws(TaskStoreError) -> Value {
        let (counter, prepared) = (writer.counter, writer.prepared)
        do {
            return try await writer.write(
                { try body(SQLiteTransaction(db: $0, prepared: prepared, counter: counter)) }, committed: committed)
        } catch {
            throw TaskStoreError(translating: error)
        }
    }

    /// Short reads run on the caller's own thread: they take some 20 µs and wait for nothing, while the way to a reader's
    /// thread and back takes several times as long. A statement needs no transaction around it, whose own statements take
    /// longer than most that they would surround.
    package func read<Value: Sendable>(
        for call: StoreCall, _ extent: ReadExtent, _ body: @escaping @Sendable (any StoreSnapshot) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        try await beSettled()
        do {
            switch extent {
            case .statement: return try shortReads.once { db, prepared in try body(rows(in: db, prepared)) }
            case .snapshot: return try shortReads.together { db, prepared in try body(rows(in: db, prepared)) }
            case .page: return try await readAside(body)
            }
        } catch TaskStoreError.replaced {
            return try readByWriter(body)
        } catch {
            throw TaskStoreError(translating: error)
        }
    }

    /// Nothing is read that a crash would change: first, what a failed commit has left in the log is overwritten.
    private func beSettled() async throws(TaskStoreError) {
        guard !writer.isSettled else { return }
        do { try await writer.write { _ in } } catch { throw TaskStoreError(translating: error) }
    }

    private func rows(in db: Database, _ prepared: PreparedStatements) -> SQLiteTransaction {
        SQLiteTransaction(db: db, prepared: prepared, counter: nil)
    }

    /// Reads on the writer's connection, which certainly has our files open; it is idle while nothing can be written.
    private func readByWriter<Value>(
        _ body: (any StoreSnapshot) throws -> Value
    ) throws(TaskStoreError) -> Value {
        do {
            return try pool.writeWithoutTransaction { db in try body(rows(in: db, writer.prepared)) }
        } catch {
            throw TaskStoreError(translating: error)
        }
    }

    /// Reads on a reader's thread; also for a task that is being cancelled.
    private func readAside<Value: Sendable>(
        _ body: @escaping @Sendable (any StoreSnapshot) throws -> Value
    ) async throws -> Value {
        // The pool may have to open another connection.
        try files.check()
        let pool = pool
        return try await Task {
            try await pool.read { db in
                try body(SQLiteTransaction(db: db, prepared: PreparedStatements(keepsNone: true), counter: nil))
            }
        }.value
    }
}
