import Foundation
import GRDB
import SQLiteMigrations
import Synchronization
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import SQLiteDriver

@Suite struct BackupTests {
    private let directory: TemporaryDirectory
    /// The directory of the backups.
    private let target: String
    private let path: String
    private let now = ManualTimeSource.start

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.file("pollux.sqlite")
        target = directory.file("backups")
        try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: false)
    }

    /// Opens a new database with tasks.
    private func database(tasks: Int = 30) async throws -> SQLiteDriver {
        let store = try SQLiteDriver.open(path: path)
        for number in 0..<tasks { _ = try await store.verbs.insert(.new(.task(number))) }
        return store
    }

    private var files: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: target).sorted() }
    }

    /// All rows of a table as text.
    private func rows(_ table: String, in path: String) throws -> [String] {
        let queue = try DatabaseQueue(path: path)
        defer { try? queue.close() }
        return try queue.read { db in try Row.fetchAll(db, sql: "SELECT * FROM \(table)").map { "\($0)" } }
    }

    // MARK: The copy

    @Test func `a backup has every row of the open database, passes the integrity check, is marked and private`()
        async throws
    {
        let store = try await database()
        let backup = try await store.backUp(into: target, at: now)
        #expect(try files == [String(backup.path.dropFirst(target.count + 1))])
        #expect(backup.path.wholeMatch(of: /.+\/pollux-\d{8}T\d{6}Z\.sqlite/) != nil, "\(backup.path)")
        #expect(backup.sizeInBytes == DatabaseFile.size(of: backup.path) && backup.createdAt == now)
        let mode = try FileManager.default.attributesOfItem(atPath: backup.path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(try rows("pragma_integrity_check", in: backup.path) == [#"[integrity_check:"ok"]"#])
        let mark = try rows("meta", in: backup.path)
        #expect(mark == [#"[name:"backup" value:"\#(now.rfc3339)"]"#])
        for table in ["task", "task_payload", "event", "task_count", "grdb_migrations"] {
            let copied = try rows(table, in: backup.path)
            #expect(!copied.isEmpty, "\(table)")
            #expect(try copied == rows(table, in: path), "\(table)")
        }
        try store.close()
        // Only the copy is marked.
        #expect((try? rows("meta WHERE name = 'backup'", in: path))?.isEmpty ?? true)
        let next = try SQLiteDriver.open(path: backup.path)
        #expect(try await next.verbs.counts().map(\.count) == [30])
        try next.close()
    }

    @Test func `writes continue during backups, and each backup has every task stored before it`() async throws {
        let store = try await database(tasks: 300)
        let writing = Task { [now] in
            var stored = 300
            while !Task.isCancelled {
                _ = try await store.verbs.insert(.new(.task(stored)))
                stored += 1
            }
            return (stored, now)
        }
        for second in 0..<5 {
            let before = try await store.verbs.counts().map(\.count).reduce(0, +)
            let backup = try await store.backUp(into: target, at: now + .seconds(second))
            let copied = try rows("task", in: backup.path).count
            #expect(copied >= before)
            #expect(try rows("event", in: backup.path).count == copied)
        }
        writing.cancel()
        let stored = try await writing.value.0
        #expect(stored > 300)
        #expect(try await store.verbs.counts().map(\.count).reduce(0, +) == stored)
        try store.close()
    }

    // MARK: Files of records

    /// Stores a task whose record has a long value; returns it and the digest of the file.
    private func storeRecord(in store: TaskStore) async throws -> (task: TaskID, record: JSONValue, digest: String) {
        let bytes = [UInt8](repeating: 5, count: 90_000)
        let record: JSONValue = ["data": .string("data:image/png;base64," + Data(bytes).base64EncodedString())]
        let task = TrackedTask.task(500, state: .running)
        _ = try await store.insert(.new(task))
        _ = try await store.apply(
            .observed(Observation(.succeeded(partial: false), record: record)), to: task.id, at: now, nextDueAt: nil)
        return (task.id, record, RecordPart.digest(of: bytes))
    }

    @Test func `a backup contains the files of records, which a start with it writes again`() async throws {
        let database = try await database(tasks: 1)
        let files = MemoryRecordFiles()
        let store = TaskStore(database, files: files)
        let (task, record, digest) = try await storeRecord(in: store)
        let backup = try await store.backUp(into: target, at: now)
        #expect(!files.isHeldForBackup)
        #expect(try rows("part_content", in: backup.path).count == 1)
        #expect(try rows("part_content", in: path).isEmpty)
        try database.close()

        let restored = try SQLiteDriver.open(path: backup.path)
        let others = MemoryRecordFiles()
        let copy = TaskStore(restored, files: others)
        #expect(try await copy.taskWithPayload(task)?.payload.response == record)
        others.fail()
        #expect(try await copy.unpackParts() == 0)
        #expect(try await copy.taskWithPayload(task)?.payload.response == record)
        // A backup of it is whole too.
        let second = try await copy.backUp(into: target, at: now + .seconds(1))
        #expect(try rows("part_content", in: second.path).count == 1)
        others.fail(false)
        // Where the database has no room for the end of it, nothing keeps the file from being removed later.
        let full = FaultyDriver(restored)
        full.fail(next: 1, with: .full) { if case .write("unpackPart") = $0 { true } else { false } }
        await #expect(throws: TaskStoreError.full) { try await TaskStore(full, files: others).unpackParts() }
        #expect(others.unsettled.isEmpty)
        #expect(try await copy.unpackParts() == 1)
        #expect(others.digests == [digest] && others.unsettled.isEmpty)
        #expect(try await copy.taskWithPayload(task)?.payload.response == record)
        #expect(try await copy.unpackParts() == 0)
        try restored.close()
    }

    @Test func `without a file of a record there is no backup`() async throws {
        let database = try await database(tasks: 1)
        let files = MemoryRecordFiles()
        let store = TaskStore(database, files: files)
        let digest = try await storeRecord(in: store).digest
        files.put(nil, as: digest)
        await #expect {
            try await store.backUp(into: target, at: now)
        } throws: { error in
            (error as? BackupError)?.code == "storage_part_unreadable"
        }
        #expect(try self.files == [] && !files.isHeldForBackup)
        try database.close()
    }

    // MARK: Failures

    @Test func `a backup never overwrites a file`() async throws {
        let store = try await database()
        let first = try await store.backUp(into: target, at: now)
        let bytes = try Data(contentsOf: URL(filePath: first.path))
        _ = try await store.verbs.insert(.new(.task(99)))
        await #expect(throws: BackupError.exists(first.path)) { try await store.backUp(into: target, at: now) }
        #expect(try Data(contentsOf: URL(filePath: first.path)) == bytes)
        #expect(try files.count == 1)
        _ = try await store.backUp(into: target, at: now + .seconds(1))
        #expect(try files.count == 2)
        try store.close()
    }

    @Test func `an unusable backup directory is refused with the system's reason`()
        async throws
    {
        let store = try await database(tasks: 1)
        for (place, reason) in [
            (directory.file("nowhere"), "No such file"), (path, "Not a directory"),
            ("/" + String(repeating: "x", count: 5_000), "too long"), ("/proc", "/proc"),
        ] {
            let error = await #expect(throws: BackupError.self) { try await store.backUp(into: place, at: now) }
            #expect(error?.code == "backup_directory_unusable", "\(place)")
            #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
        }
        #expect(!FileManager.default.fileExists(atPath: directory.file("nowhere")))
        try store.close()
    }

    @Test(arguments: [("pwrite", ENOSPC, "backup_no_space"), ("fdatasync", EIO, "backup_failed")])
    func `a backup on a full or failing disk leaves no file, and a later one succeeds`(
        call: String, number: Int32, code: String
    ) async throws {
        let store = try await database()
        let disk = Disk(of: target)
        disk.hook { name, _ in name == call ? number : 0 }
        let error = await #expect(throws: BackupError.self) { try await store.backUp(into: target, at: now) }
        #expect(error?.code == code, "\(String(describing: error))")
        #expect(try files.isEmpty)
        disk.hook(nil)
        _ = try await store.backUp(into: target, at: now)
        #expect(try files.count == 1)
        try store.close()
    }

    @Test func `a backup has only its temporary name until it is complete and synced`() async throws {
        let store = try await database()
        let disk = Disk(of: target)
        let seen = Mutex<Set<[String]>>([])
        disk.hook { [target] _, _ in
            let names = (try? FileManager.default.contentsOfDirectory(atPath: target)) ?? []
            seen.withLock { _ = $0.insert(names.filter { !$0.hasSuffix("-journal") }) }
            return 0
        }
        let backup = try await store.backUp(into: target, at: now)
        disk.hook(nil)
        let draft = String(BackupDraft(of: path, in: target).path.dropFirst(target.count + 1))
        #expect(seen.withLock { $0 } == [[draft]])
        #expect(try files == [String(backup.path.dropFirst(target.count + 1))])
        try store.close()
    }

    @Test func `a backup of a damaged database fails and leaves no file`() async throws {
        let store = try await database()
        try store.close()
        let queue = try DatabaseQueue(path: path)
        let root = try await queue.read { db in
            try Int.fetchOne(db, sql: "SELECT rootpage FROM sqlite_schema WHERE name = 'event'") ?? 0
        }
        try queue.close()
        let writer = BackupWriter(path: path, configuration: DatabaseFile.configuration)
        let file = try FileHandle(forUpdating: URL(filePath: path))
        try file.seek(toOffset: UInt64((root - 1) * 4_096))
        try file.write(contentsOf: Data(repeating: 0xa5, count: 4_096))
        try file.close()
        let error = await #expect(throws: BackupError.self) { try await writer.run(into: target, with: nil, at: now) }
        #expect(error?.code == "storage_damaged", "\(String(describing: error))")
        #expect(try files.isEmpty)
    }

    @Test func `the next backup removes the files of a killed one and no others`() async throws {
        let store = try await database()
        let leftover = BackupDraft(of: path, in: target).path
        for name in [leftover, leftover + "-journal", target + "/.pollux-backup-0"] {
            try Data("half".utf8).write(to: URL(filePath: name))
        }
        let backup = try await store.backUp(into: target, at: now)
        #expect(try files == [".pollux-backup-0", String(backup.path.dropFirst(target.count + 1))])
        #expect(leftover != BackupDraft(of: path + "2", in: target).path)
        try store.close()
    }

    @Test func `one backup runs at a time`() async throws {
        let store = try await database(tasks: 300)
        let results = await withTaskGroup(of: Result<Backup, BackupError>.self) { group in
            for second in 0..<8 {
                group.addTask { [target, now] in
                    do throws(BackupError) {
                        return .success(try await store.backUp(into: target, at: now + .seconds(second)))
                    } catch {
                        return .failure(error)
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let written = results.count { (try? $0.get()) != nil }
        #expect(written >= 1)
        #expect(try files.count == written)
        for case .failure(let error) in results { #expect(error == .running) }
        try store.close()
    }

    @Test func `a replaced database is not backed up`() async throws {
        let store = try await database(tasks: 1)
        try FileManager.default.moveItem(atPath: path, toPath: path + ".moved")
        let error = await #expect(throws: BackupError.self) { try await store.backUp(into: target, at: now) }
        #expect(error?.code == "storage_replaced")
        #expect(try files.isEmpty)
        try FileManager.default.moveItem(atPath: path + ".moved", toPath: path)
        try store.close()
    }

    // MARK: Before a schema change

    /// The number of the latest schema. Numbers may be skipped.
    private var number: Int { Int(EmbeddedMigrations.all.last?.name.prefix(4) ?? "") ?? 0 }

    /// Creates a closed database of an earlier schema.
    private func earlierDatabase(schema count: Int, tasks: Int) throws {
        for old in [path, path + "-wal", path + "-shm", Disk.mark(of: path)] {
            try? FileManager.default.removeItem(atPath: old)
        }
        let queue = try DatabaseQueue.earlier(migrations: count, at: path)
        try queue.write { db in
            for number in 0..<tasks {
                try db.execute(
                    sql: """
                        INSERT INTO task (id, endpoint, service, state, on_uncertain, created_at_ms, next_due_at_ms)
                        VALUES (?, 'a/b', 'a', 'queued', 'hold', 1, 1)
                        """, arguments: [TrackedTask.task(number).id.text])
            }
        }
        try queue.close()
    }

    @Test func `a database with tasks is copied once before its schema changes`() async throws {
        let latest = EmbeddedMigrations.all.count
        try earlierDatabase(schema: latest - 1, tasks: 3)
        let written = Mutex<[String]>([])
        let backup = SchemaBackup(in: target, at: now) { copy in written.withLock { $0.append(copy) } }
        let copy = target + "/before-schema-\(number).sqlite"
        for _ in 0..<2 {
            let store = try SQLiteDriver.open(path: path, backup: backup)
            #expect(try await store.verbs.counts().map(\.count) == [3])
            try store.close()
            #expect(written.withLock { $0 } == [copy])
        }
        #expect(try rows("task", in: copy).count == 3)
        #expect(try rows("grdb_migrations", in: copy).count == latest - 1)
        #expect(try rows("meta", in: copy).count == 1)
        // The copy can be migrated again.
        try FileManager.default.copyItem(atPath: copy, toPath: directory.file("again.sqlite"))
        let again = try SQLiteDriver.open(path: directory.file("again.sqlite"), backup: backup)
        #expect(try await again.verbs.counts().map(\.count) == [3])
        try again.close()
    }

    @Test func `the copies of the latest two schemas are kept, and a newer copy replaces an older one`() async throws {
        let latest = EmbeddedMigrations.all.count
        let backup = SchemaBackup(in: target, at: now)
        for name in ["before-schema-3.sqlite", "before-schema-\(number).sqlite", "before-schema-9.sqlite", "other"] {
            try Data().write(to: URL(filePath: target + "/" + name))
        }
        try earlierDatabase(schema: latest - 1, tasks: 1)
        try SQLiteDriver.open(path: path, backup: backup).close()
        #expect(try files == ["before-schema-\(number).sqlite", "before-schema-9.sqlite", "other"].sorted())
        #expect(try rows("task", in: target + "/before-schema-\(number).sqlite").count == 1)
    }

    @Test func `a database without tasks is not copied, and a failed copy prevents the schema change`() async throws {
        let latest = EmbeddedMigrations.all.count
        try earlierDatabase(schema: latest - 1, tasks: 0)
        try SQLiteDriver.open(path: path, backup: SchemaBackup(in: target, at: now)).close()
        #expect(try files.isEmpty)
        try earlierDatabase(schema: latest - 1, tasks: 1)
        let blocked = SchemaBackup(in: directory.file("nowhere/backups"), at: now)
        #expect(throws: TaskStoreError.readOnly) { try SQLiteDriver.open(path: path, backup: blocked) }
        #expect(try rows("grdb_migrations", in: path).count == latest - 1)
    }
}
