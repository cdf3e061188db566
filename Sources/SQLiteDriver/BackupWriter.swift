import FoundationEssentials
import GRDB
import SQLiteRaw
import Synchronization
import TaskModel
import TaskStore
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Writes copies of the open database: consistent, checked, and marked as a backup.
///
/// `VACUUM INTO` (https://sqlite.org/lang_vacuum.html#vacuuminto) writes the copy to a temporary file, which gets its
/// name once it is on disk. The copy is one snapshot, so the log cannot restart meanwhile and grows with each commit.
final class BackupWriter: Sendable {
    private let path: String
    private let configuration: Configuration
    private let isRunning = Mutex(false)

    /// Creates a writer of copies of the database at that path.
    init(path: String, configuration: Configuration) {
        self.path = path
        var configuration = configuration
        configuration.label = "pollux backup"
        self.configuration = configuration
    }

    /// Writes `pollux-TIME.sqlite` into the directory, on a thread of low priority. One backup runs at a time.
    func run(
        into directory: String, with files: (any RecordFiles)?, at now: Timestamp
    ) async throws(BackupError) -> Backup {
        let isFree = isRunning.withLock { running in
            defer { running = true }
            return !running
        }
        guard isFree else { throw .running }
        defer { isRunning.withLock { $0 = false } }
        let draft = BackupDraft(of: path, in: directory)
        let target = directory + "/" + Self.name(at: now)
        let database = try open()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // The priority is not the lowest, because a person waits for it.
                LowPriorityThread.run(niceness: 5) {
                    continuation.resume(
                        returning: Result { () throws(BackupError) in
                            try draft.become(target, replacing: false) { file throws(BackupError) in
                                try Self.write(database, to: file, in: directory, with: files, at: now)
                            }
                        })
                }
            }
        } onCancel: {
            database.interrupt()
        }
        return Backup(path: target, sizeInBytes: try result.get(), createdAt: now)
    }

    /// Writes the copy on the caller's thread and replaces an older file with that name. It lacks the files of records, which
    /// stay where they are.
    func replace(_ name: String, in directory: String, at now: Timestamp) throws(BackupError) {
        let database = try open()
        let draft = BackupDraft(of: path, in: directory)
        _ = try draft.become(directory + "/" + name, replacing: true) { file throws(BackupError) in
            try Self.write(database, to: file, in: directory, with: nil, at: now)
        }
    }

    private func open() throws(BackupError) -> DatabaseQueue {
        do { return try DatabaseQueue(path: path, configuration: configuration) } catch {
            throw .store(TaskStoreError(translating: error))
        }
    }

    private static func name(at now: Timestamp) -> String {
        let time = now.rfc3339.prefix { $0 != "." }.filter { $0 != "-" && $0 != ":" }
        return "pollux-\(time)Z.sqlite"
    }

    /// Copies the database into an empty file, marks the copy, and checks all of it.
    private static func write(
        _ database: DatabaseQueue, to file: String, in directory: String, with files: (any RecordFiles)?,
        at now: Timestamp
    ) throws(BackupError) {
        do {
            let report = try database.writeWithoutTransaction { db in
                // If this connection were the last one, closing it would copy the log, perhaps into a replaced file.
                db.keepLogOnClose()
                try db.execute(sql: "VACUUM INTO ?", arguments: [file])
                try db.execute(sql: "ATTACH ? AS copy", arguments: [file])
                defer { try? db.execute(sql: "DETACH copy") }
                try db.execute(
                    sql: "CREATE TABLE IF NOT EXISTS copy.meta (name TEXT PRIMARY KEY, value TEXT) STRICT")
                try db.execute(
                    sql: "INSERT OR REPLACE INTO copy.meta (name, value) VALUES ('backup', ?)",
                    arguments: [now.rfc3339])
                if let files { try pack(files, into: db) }
                return try String.fetchOne(db, sql: "PRAGMA copy.integrity_check(1)") ?? "it cannot be checked"
            }
            guard report == "ok" else { throw TaskStoreError.damaged(report) }
        } catch let error as RecordFileFailure {
            throw .partUnreadable(error.message)
        } catch {
            throw BackupError(translating: error, in: directory)
        }
    }

    /// Copies the files of all records into the attached copy.
    private static func pack(_ files: any RecordFiles, into db: Database) throws {
        let digests = try String.fetchAll(
            db,
            sql: """
                SELECT DISTINCT sha256 FROM copy.record_part
                WHERE sha256 NOT IN (SELECT sha256 FROM copy.part_content)
                """)
        for digest in digests {
            try db.execute(
                sql: "INSERT INTO copy.part_content (sha256, content) VALUES (?, ?)",
                arguments: [digest, Data(try files.readBlocking(digest))])
        }
    }
}

extension BackupError {
    fileprivate init(translating error: any Error, in directory: String) {
        if let error = error as? DatabaseError, error.resultCode == .SQLITE_INTERRUPT {
            self = .interrupted
            return
        }
        switch TaskStoreError(translating: error) {
        case .full: self = .noSpace(directory)
        case .readOnly: self = .unusableDirectory(directory, reason: "the file cannot be written")
        case .failed(let what): self = .failed(what)
        case let error: self = .store(error)
        }
    }
}
