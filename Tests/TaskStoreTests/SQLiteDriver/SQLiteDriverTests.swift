import Foundation
import GRDB
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import SQLiteDriver

@Suite struct SQLiteDriverTests: DatabaseFixture {
    // MARK: Opening

    @Test func `stored tasks are there after reopening`() async throws {
        let directory = try TemporaryDirectory()
        let path = try await database(in: directory)
        let store = try SQLiteDriver.open(path: path)
        #expect(try await store.verbs.counts().map(\.count) == [30])
        #expect(try await store.info().path == path)
        #expect(try await store.info().sizeInBytes > 4_096)
        try store.close()
    }

    @Test func `stored tasks are there after a crash`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let store = try SQLiteDriver.open(path: path)
        for number in 0..<10 { _ = try await store.verbs.insert(.new(.task(number))) }
        // The files as a power failure leaves them.
        let copy = directory.file("copy.sqlite")
        for suffix in ["", "-wal"] { try FileManager.default.copyItem(atPath: path + suffix, toPath: copy + suffix) }
        let next = try SQLiteDriver.open(path: copy)
        #expect(try await next.verbs.counts().map(\.count) == [10])
        try next.close()
        try store.close()
    }

    @Test func `a truncated log loses only the commit that it cuts`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("pollux.sqlite")
        let store = try SQLiteDriver.open(path: path)
        _ = try await store.verbs.insert(.new(.task(0)))
        let log = try bytes(path + "-wal").count
        _ = try await store.verbs.insert(.new(.task(1)))
        let copy = directory.file("copy.sqlite")
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        try write(Array(try bytes(path + "-wal").prefix(log + 100)), to: copy + "-wal")
        let next = try SQLiteDriver.open(path: copy)
        #expect(try await next.verbs.task(TrackedTask.task(0).id) != nil)
        #expect(try await next.verbs.task(TrackedTask.task(1).id) == nil)
        try next.close()
        try store.close()
    }

    @Test func `every file is accessible only to its owner`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        _ = try await store.verbs.insert(.new(.task(1)))
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(Set(names) == ["pollux.sqlite", "pollux.sqlite-wal", "pollux.sqlite-shm", "pollux.generation"])
        for name in names {
            let mode = try FileManager.default.attributesOfItem(atPath: directory.file(name))[.posixPermissions] as? Int
            #expect(mode == 0o600, "\(name)")
        }
        try store.close()
    }

    @Test func `commits are synced, in WAL mode, with foreign keys`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        let (synchronous, journal, keys) = try await store.pool.write { db in
            (
                try Int.fetchOne(db, sql: "PRAGMA synchronous"), try String.fetchOne(db, sql: "PRAGMA journal_mode"),
                try Int.fetchOne(db, sql: "PRAGMA foreign_keys")
            )
        }
        #expect(synchronous == 2)
        #expect(journal == "wal")
        #expect(keys == 1)
        try store.close()
    }

    @Test func `a closed database is complete in one file`() async throws {
        let directory = try TemporaryDirectory()
        let path = try await database(in: directory)
        let copy = directory.file("copy.sqlite")
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        let store = try SQLiteDriver.open(path: copy)
        #expect(try await store.verbs.counts().map(\.count) == [30])
        try store.close()
    }

    @Test func `a leftover draft is removed`() async throws {
        let directory = try TemporaryDirectory()
        try write([1, 2, 3], to: directory.file("pollux.sqlite.new"))
        try write([1, 2, 3], to: directory.file("pollux.sqlite.new-journal"))
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        #expect(try await store.verbs.counts().isEmpty)
        try store.close()
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(!names.contains { $0.contains(".new") })
    }

    // MARK: Failures while running

    @Test func `a write on a full disk fails with that error, and stored tasks are unchanged`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        let task = TrackedTask.task(1)
        _ = try await store.verbs.insert(.new(task))
        try await store.pool.write { db in
            let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            try db.execute(sql: "PRAGMA max_page_count = \(pages)")
        }
        let large = JSONValue.string(String(repeating: "x", count: 100_000))
        await #expect(throws: TaskStoreError.full) { _ = try await store.verbs.insert(.new(.task(2), request: large)) }
        #expect(try await store.verbs.task(TrackedTask.task(2).id) == nil)
        #expect(try await store.verbs.task(task.id) == task)
        try await store.pool.write { db in try db.execute(sql: "PRAGMA max_page_count = 1000000") }
        #expect(try await store.verbs.insert(.new(.task(2), request: large)) == .created)
        try store.close()
    }

    @Test func `a write to a read-only database fails with that error`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        try await store.pool.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA query_only = ON") }
        await #expect(throws: TaskStoreError.readOnly) { _ = try await store.verbs.insert(.new(.task(1))) }
        try store.close()
    }

    @Test func `a path that cannot be written fails with an explanation`() throws {
        let directory = try TemporaryDirectory()
        try write([], to: directory.file("file"))
        for path in [directory.file("missing/pollux.sqlite"), "/proc/pollux.sqlite"] {
            guard case .failure(let error) = open(path) else {
                Issue.record("\(path) was opened")
                continue
            }
            #expect(["storage_read_only", "storage_failed"].contains(error.code), "\(error)")
            #expect(error.message.hasSuffix("."))
        }
    }

    @Test(arguments: [
        (ResultCode.SQLITE_FULL, "storage_full"), (.SQLITE_IOERR_WRITE, "storage_full"),
        (.SQLITE_READONLY, "storage_read_only"),
        (.SQLITE_READONLY_DBMOVED, "storage_read_only"), (.SQLITE_BUSY, "storage_locked"),
        (.SQLITE_LOCKED, "storage_locked"),
        (.SQLITE_CORRUPT, "storage_damaged"), (.SQLITE_NOTADB, "storage_damaged"),
        (.SQLITE_IOERR_FSYNC, "storage_failed"),
        (.SQLITE_MISUSE, "storage_failed"),
    ])
    func `each SQLite error maps to one storage code`(code: ResultCode, word: String) {
        #expect(TaskStoreError(translating: DatabaseError(resultCode: code)).code == word)
    }

    @Test func `a read and a write run in a cancelled Swift task`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        let writing = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            #expect(Task.isCancelled)
            return try await store.verbs.insert(.new(.task(1)))
        }
        #expect(try await writing.value == .created)
        let reading = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await store.verbs.task(TrackedTask.task(1).id)
        }
        #expect(try await reading.value != nil)
        try store.close()
    }

    @Test func `two hundred concurrent writers lose no task and no event`() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<200 {
                group.addTask { [now] in
                    let task = TrackedTask.task(number)
                    _ = try await store.verbs.insert(.new(task))
                    _ = try await store.verbs.apply(
                        .submissionStarted(), to: task.id, under: .testing, at: now, nextDueAt: now)
                    let id = RemoteTaskID("r-\(number)") ?? { preconditionFailure("a valid id") }()
                    _ = try await store.verbs.apply(
                        .submissionAccepted(id, traceID: nil), to: task.id, at: now, nextDueAt: now)
                }
            }
            try await group.waitForAll()
        }
        let counts = try await store.verbs.counts()
        #expect(counts.map(\.count) == [200] && counts.map(\.state) == [.running])
        var sequences: Set<Int64> = []
        for number in 0..<200 {
            let events = try await store.verbs.events(of: TrackedTask.task(number).id, after: 0, limit: 9)
            #expect(events.map(\.entry.kind) == ["created", "submission_started", "submission_accepted"])
            sequences.formUnion(events.map(\.sequence))
        }
        #expect(sequences.count == 600)
        try store.close()
    }
}
