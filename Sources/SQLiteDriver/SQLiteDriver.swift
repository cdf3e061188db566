import FoundationEssentials
import GRDB
import SQLiteMigrations
import SQLiteRaw
package import StoreSQL
package import TaskModel
package import TaskStore

/// The driver of one SQLite file: a write-ahead log, `synchronous=FULL`, one writer and concurrent readers.
package struct SQLiteDriver: StoreDriver {
    /// The writer, and the readers for long reads. Long reads never delay short ones.
    let pool: DatabasePool
    /// The connections for short reads.
    let readPool: ReadConnectionPool
    private let files: OpenedFiles
    private let pages: PageCheck
    private let backups: BackupWriter
    let writer: GroupCommit

    /// The thread that writes run on.
    package enum WritingThread: Sendable {
        /// The writer's own thread, so that callers do not block on the disk.
        case writers
        /// The caller's thread, which blocks: for programs without other work, such as tests.
        case callers
    }

    /// Opens the database, creates it if there is none, and migrates its schema.
    ///
    /// A new database is created under another name and then moved into place. So an empty or incomplete file there
    /// always means damage. A file that is damaged, foreign or from a newer version is an error and stays unchanged. So
    /// is a missing database, unless `mayBegin` allows a new one. `backup` stores a copy of a database with tasks
    /// before its schema changes.
    package static func open(
        path: String, mayBegin: Bool = false, backup: SchemaBackup? = nil, writing thread: WritingThread = .writers
    ) throws(TaskStoreError) -> SQLiteDriver {
        try open(
            path: path, configuration: DatabaseFile.configuration, mayBegin: mayBegin, backup: backup, writing: thread)
    }

    /// Opens it with a configuration, for tests.
    static func open(
        path: String, configuration: Configuration, mayBegin: Bool = false, backup: SchemaBackup? = nil,
        writing thread: WritingThread = .writers, copyingLogEvery interval: Int = WriteAheadLog.interval
    ) throws(TaskStoreError) -> SQLiteDriver {
        SQLiteLibrary.disableMemoryStatistics()
        do throws(any Error) {
            let mark = GenerationMark(of: path)
            let generation = try DatabaseFile.prepare(path, mark: mark, mayBegin: mayBegin)
            let (reader, isWhole) = try DatabaseFile.check(
                path, generation: generation, mark: mark, configuration: configuration)
            let pool = try DatabaseFile.open(path, configuration: configuration)
            let log = WriteAheadLog(mark: mark, interval: interval)
            try pool.writeWithoutTransaction { db in try log.attach(to: db) }
            let files = OpenedFiles(of: path)
            let backups = BackupWriter(path: path, configuration: configuration)
            if let backup, let schema = try pool.read(DatabaseFile.schemaToReach) {
                try backup.write(with: backups, before: schema)
            }
            try DatabaseFile.migrate(pool)
            // This opens the log, so the connection can still read after the files were deleted.
            _ = try reader.read { db in try Int.fetchOne(db, sql: "PRAGMA user_version") }
            return SQLiteDriver(
                pool: pool,
                readPool: ReadConnectionPool(path: path, configuration: configuration, files: files, first: reader),
                files: files, pages: PageCheck(path: path, configuration: configuration, isDone: isWhole),
                backups: backups,
                writer: GroupCommit(pool: pool, log: log, files: files, thread: thread))
        } catch {
            throw TaskStoreError(translating: error)
        }
    }

    /// Checks all of a database that no daemon uses, and changes nothing; false if there is none and never was one.
    package static func examine(path: String) async throws(TaskStoreError) -> Bool {
        let mark = GenerationMark(of: path)
        guard FileManager.default.fileExists(atPath: path) || mark.exists else { return false }
        let isWhole: Bool
        do throws(any Error) {
            let generation = try DatabaseFile.prepare(path, mark: mark, mayBegin: false)
            let (connection, isChecked) = try DatabaseFile.check(
                path, generation: generation, mark: mark, configuration: DatabaseFile.configuration)
            try connection.close()
            isWhole = isChecked
        } catch {
            throw TaskStoreError(translating: error)
        }
        try await PageCheck(path: path, configuration: DatabaseFile.configuration, isDone: isWhole).run()
        return true
    }

    /// Closes the file after the write and the long reads in progress. The connection of a short read closes after it.
    ///
    /// The write-ahead log is copied into the file first, so that the file alone is a complete backup. SQLite does this
    /// only if the writer closes last, and GRDB closes its readers after the writer. If the files were replaced, the new
    /// ones stay as they are.
    package func close() throws(TaskStoreError) {
        do throws(any Error) {
            try readPool.close()
            let emptying = Result {
                try pool.writeWithoutTransaction { db in
                    writer.prepared.discard()
                    do throws(TaskStoreError) {
                        try files.check()
                    } catch {
                        db.keepLogOnClose()
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

    /// Reads all of the file in one snapshot. Blocks as long as `body` takes.
    package func readAll<Value>(_ body: (any SQLConnection) throws -> Value) throws(TaskStoreError) -> Value {
        do {
            return try pool.read { db in try body(RawConnection(db)) }
        } catch {
            throw TaskStoreError(translating: error)
        }
    }

    /// Stores a fact about the database, or removes it. Blocks until that is on disk. Only for a database that no daemon uses.
    package func put(_ name: MetaName, _ value: String?) throws(TaskStoreError) {
        do {
            try pool.write { db in
                let transaction = SQLTransaction(RawConnection(db))
                if let value { try transaction.put(name, value) } else { try transaction.drop(name) }
            }
        } catch {
            throw TaskStoreError(translating: error)
        }
    }

    package var leaseTerm: Duration? { nil }

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

    package func backUp(
        into directory: String, with records: (any RecordFiles)? = nil, at now: Timestamp
    ) async throws(BackupError) -> Backup {
        do throws(TaskStoreError) {
            // The copy is read by its own connection, from the files at the path.
            try files.check()
            try await beSettled()
        } catch {
            throw .store(error)
        }
        return try await backups.run(into: directory, with: records, at: now)
    }

    package func info() async throws(TaskStoreError) -> StoreInfo {
        try await beSettled()
        let pages = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        do {
            let size = try readPool.readUnisolated { try $0.integer(.text(pages)) } ?? 0
            let log = DatabaseFile.size(of: pool.path + "-wal")
            return StoreInfo(
                path: pool.path, sizeInBytes: size + log, logBytes: log,
                freeBytes: DatabaseFile.freeBytes(at: pool.path))
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
                { try body(SQLTransaction(RawConnection($0, prepared), counter: counter)) }, committed: committed)
        } catch {
            throw TaskStoreError(translating: error)
        }
    }

    /// Short reads run on the caller's thread. They do not wait, and a switch to a reader's thread and back takes
    /// several times as long. A single statement runs without a transaction, whose own statements would take longer.
    package func read<Value: Sendable>(
        for call: StoreCall, _ extent: ReadExtent, _ body: @escaping @Sendable (any StoreSnapshot) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        try await beSettled()
        do {
            switch extent {
            case .statement: return try readPool.readUnisolated { try body(SQLTransaction($0)) }
            case .snapshot: return try readPool.readSnapshot { try body(SQLTransaction($0)) }
            case .page: return try await readOnPool(body)
            }
        } catch TaskStoreError.replaced {
            return try readByWriter(body)
        } catch {
            throw TaskStoreError(translating: error)
        }
    }

    /// Overwrites the remains of a failed commit in the log, so that no read sees what a crash would change.
    private func beSettled() async throws(TaskStoreError) {
        guard !writer.isSettled else { return }
        do { try await writer.write { _ in } } catch { throw TaskStoreError(translating: error) }
    }

    /// Reads on the writer's connection. It has the original files open, and is idle while nothing can be written.
    private func readByWriter<Value>(
        _ body: (any StoreSnapshot) throws -> Value
    ) throws(TaskStoreError) -> Value {
        do {
            return try pool.writeWithoutTransaction { db in
                try body(SQLTransaction(RawConnection(db, writer.prepared)))
            }
        } catch {
            throw TaskStoreError(translating: error)
        }
    }

    /// Reads on the thread of a pool reader, also when the caller is cancelled.
    private func readOnPool<Value: Sendable>(
        _ body: @escaping @Sendable (any StoreSnapshot) throws -> Value
    ) async throws -> Value {
        // The pool may open another connection.
        try files.check()
        let pool = pool
        return try await Task {
            try await pool.read { db in try body(SQLTransaction(RawConnection(db))) }
        }.value
    }
}
