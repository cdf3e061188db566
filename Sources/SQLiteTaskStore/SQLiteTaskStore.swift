import FoundationEssentials
import GRDB
import GRDBSQLite
import SQLiteMemory
import SQLiteMigrations
import TaskModel
package import TaskStore

/// The store on one SQLite file: WAL, `synchronous=FULL`, one writer, readers beside it.
package struct SQLiteTaskStore: TaskStore {
    /// The writer; its readers are for what may take long, so that it never keeps the short reads waiting.
    let pool: DatabasePool
    /// Where ``read(_:)`` and ``readOnce(_:)`` read.
    let shortReads: ShortReads
    private let files: OpenedFiles
    private let pages: PageCheck
    let writer: GroupCommit

    /// Whose thread a write runs on.
    package enum WritingThread: Sendable {
        /// The one writer's own, so that nobody is kept from other work while the disk does its own.
        case writers
        /// The caller's, which is kept waiting: for programs in which nobody else has anything to do meanwhile.
        case callers
    }

    /// Opens the database, makes it if there is none, and brings its schema up to date.
    ///
    /// A new database is made beside its place and moved there whole, so that an empty or half-made file in that place
    /// is always damage. Nothing that exists is ever recreated: what is damaged, foreign or from a newer version is an
    /// error that says so, and so is a database that is gone, unless `mayBegin` allows an empty one in its place.
    package static func open(
        path: String, mayBegin: Bool = false, writing thread: WritingThread = .writers
    ) throws(TaskStoreError) -> SQLiteTaskStore {
        try open(path: path, configuration: DatabaseFile.configuration, mayBegin: mayBegin, writing: thread)
    }

    /// The same with connections that tests can look into.
    static func open(
        path: String, configuration: Configuration, mayBegin: Bool = false, writing thread: WritingThread = .writers,
        copyingLogEvery interval: Int = WriteAheadLog.interval
    ) throws(TaskStoreError) -> SQLiteTaskStore {
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
            return SQLiteTaskStore(
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

    /// Nothing is read that a crash would change: first, what a failed commit has left in the log is overwritten.
    private func beSettled() async throws(TaskStoreError) {
        if !writer.isSettled { try await write { _ in } }
    }

    /// Runs one write to its end, whatever happens to the caller meanwhile, and returns once it is on disk.
    ///
    /// An answer that cost money must be written even for a caller that was cancelled. The body may share its
    /// transaction with others, each in its own savepoint.
    func write<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        do {
            return try await writer.write(body)
        } catch {
            throw TaskStoreError(translating: error)
        }
    }

    /// Reads a few rows from one consistent snapshot, beside any write; also for a task that is being cancelled.
    ///
    /// On the caller's own thread: it takes some 20 µs and waits for nothing, while the way to a reader's thread and back
    /// takes several times as long.
    func read<Value: Sendable>(
        _ body: (Database, PreparedStatements) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        try await beSettled()
        do {
            return try shortReads.together(body)
        } catch TaskStoreError.replaced {
            return try readByWriter(body)
        } catch {
            throw TaskStoreError(translating: error)
        }
    }

    /// Reads on the writer's connection, which certainly has our files open; it is idle while nothing can be written.
    private func readByWriter<Value>(
        _ body: (Database, PreparedStatements) throws -> Value
    ) throws(TaskStoreError) -> Value {
        do {
            return try pool.writeWithoutTransaction { db in try body(db, writer.prepared) }
        } catch {
            throw TaskStoreError(translating: error)
        }
    }

    /// The same for one statement, or for several of which one decides: it is consistent by itself and needs no transaction
    /// around it, whose own statements take longer than most that they would surround.
    func readOnce<Value: Sendable>(
        _ body: (Database) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        try await readOnce { db, _ in try body(db) }
    }

    /// The same with a hot statement.
    func readOnce<Value: Sendable>(
        _ body: (Database, PreparedStatements) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        try await beSettled()
        do {
            return try shortReads.once(body)
        } catch TaskStoreError.replaced {
            return try readByWriter(body)
        } catch {
            throw TaskStoreError(translating: error)
        }
    }

    /// The same for what may read many rows, on a reader's thread.
    func readAside<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        try await beSettled()
        let (pool, files) = (pool, files)
        let reading = Task {
            // The pool may have to open another connection.
            do { try files.check() } catch { return try await pool.writeWithoutTransaction(body) }
            return try await pool.read(body)
        }
        switch await reading.result {
        case .success(let value): return value
        case .failure(let error): throw TaskStoreError(translating: error)
        }
    }
}
