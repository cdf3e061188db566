import Foundation
import GRDB
import Randomness
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import SQLiteDriver

/// Tests commits that fail after they may have reached the disk.
@Suite struct UnknownCommitTests {
    private let directory: TemporaryDirectory
    /// A directory without injected faults.
    private let elsewhere: TemporaryDirectory
    private let path: String
    private let store: SQLiteDriver
    private let disk: Disk

    init() throws {
        directory = try TemporaryDirectory()
        elsewhere = try TemporaryDirectory()
        path = directory.file("pollux.sqlite")
        store = try SQLiteDriver.open(path: path)
        disk = Disk(of: directory.path)
    }

    private func error(_ body: () async throws(TaskStoreError) -> Void) async -> TaskStoreError? {
        do throws(TaskStoreError) { try await body() } catch { return error }
        return nil
    }

    private func insert(_ number: Int) async -> TaskStoreError? {
        await error { () throws(TaskStoreError) in _ = try await store.verbs.insert(.new(.task(number))) }
    }

    /// The tasks of 0..<200 in a copy of the current files.
    private func found(after name: String) async throws -> [Int] {
        let copy = elsewhere.file("\(name).sqlite")
        try Disk.copy(path, to: copy)
        return try await tasks(of: copy)
    }

    private func tasks(of copy: String) async throws -> [Int] {
        let crashed = try SQLiteDriver.open(path: copy)
        let ids = Set(
            try await crashed.verbs.tasks(matching: TaskFilter(), after: nil, limit: 300).tasks.map(\.task.id))
        try crashed.close()
        return (0..<200).filter { ids.contains(TrackedTask.task($0).id) }
    }

    /// Fails these calls with that error from now on. Returns the path of a copy of the files at the first failure.
    private func fail(_ error: Int32, where picks: @escaping @Sendable (String, String) -> Bool) -> String {
        let (path, copy) = (path, elsewhere.file("failure.sqlite"))
        disk.hook { call, file in
            guard picks(call, file) else { return 0 }
            if !FileManager.default.fileExists(atPath: copy) { try? Disk.copy(path, to: copy) }
            return error
        }
        return copy
    }

    @Test func `a commit whose sync fails is unknown, and is removed from the log before the caller gets the error`()
        async throws
    {
        #expect(await insert(0) == nil)
        disk.failSyncs(1)
        #expect(await insert(1) == .unknown)
        #expect(try await found(after: "failed") == [0])
        #expect(try await store.verbs.task(TrackedTask.task(1).id) == nil)
        #expect(await store.condition() == .sound)
        // The repeated write is stored once.
        #expect(await insert(1) == nil)
        #expect(try await found(after: "repeated") == [0, 1])
        try store.close()
    }

    /// Enqueues writes while the writer is busy, so that they form a group.
    private func enqueue(_ count: Int, on store: SQLiteDriver, to sink: AsyncStream<String?>.Continuation) {
        store.pool.writeWithoutTransaction { _ in
            for number in 0..<count {
                store.writer.enqueue({ db in
                    try db.execute(
                        sql: "INSERT INTO gate (kind, name, account, revision) VALUES ('polls', ?, 'default', 1)",
                        arguments: ["\(number)"])
                }) { (result: Result<Void, any Error>) in
                    if case .failure(let error) = result { sink.yield((error as? TaskStoreError)?.code) }
                }
            }
        }
    }

    @Test func `all writes of an unknown commit fail as unknown`() async throws {
        disk.failSyncs(1)
        let (told, sink) = AsyncStream<String?>.makeStream()
        enqueue(20, on: store, to: sink)
        var codes: [String?] = []
        for await code in told {
            codes.append(code)
            if codes.count == 20 { break }
        }
        #expect(codes.allSatisfy { $0 == "storage_unknown" }, "\(codes)")
        #expect(try await store.verbs.circuits().isEmpty)
        try store.close()
    }

    @Test func `reads and writes fail while a failed commit cannot be removed from the log`()
        async throws
    {
        #expect(await insert(0) == nil)
        let atFailure = fail(EIO) { call, file in call == "fdatasync" && file.hasSuffix("-wal") }
        #expect(await insert(1) == .unknown)
        // The reason: a crash at that moment would have restored the failed commit.
        #expect(try await tasks(of: atFailure) == [0, 1])
        #expect(await insert(2) == .unsettled)
        #expect(await store.condition() == .failed(.unsettled))
        for number in 0...1 {
            await #expect(throws: TaskStoreError.unsettled) {
                _ = try await store.verbs.task(TrackedTask.task(number).id)
            }
        }
        await #expect(throws: TaskStoreError.unsettled) {
            _ = try await store.verbs.tasks(matching: TaskFilter(), after: nil, limit: 9)
        }
        disk.hook(nil)
        // The next read finds that the disk works again.
        #expect(try await store.verbs.task(TrackedTask.task(0).id) != nil)
        #expect(try await store.verbs.task(TrackedTask.task(1).id) == nil)
        #expect(try await found(after: "settled") == [0])
        #expect(await insert(2) == nil)
        #expect(try await found(after: "later") == [0, 2])
        try store.close()
    }

    @Test func `a commit on disk whose index cannot grow is unknown`() async throws {
        // The index of the log gets its second part of 32 KiB after 4,062 frames. A reader prevents a log restart.
        let reader = try store.pool.makeSnapshot()
        _ = try await reader.read { db in try Int.fetchOne(db, sql: "SELECT COUNT(*) FROM task") }
        func write(_ sql: String) async -> TaskStoreError? {
            await error { () throws(TaskStoreError) in try await store.write { db in try db.execute(sql: sql) } }
        }
        let fill = """
            INSERT INTO gate (kind, name, account, error_message, revision) VALUES ('polls', 'x', 'default', hex(randomblob(100000)), 1)
            ON CONFLICT (kind, name, account) DO UPDATE SET error_message = excluded.error_message
            """
        while DatabaseFile.size(of: path + "-wal") < 3_950 * 4_120 { #expect(await write(fill) == nil) }
        let atFailure = fail(ENOSPC) { call, file in call != "fdatasync" && file.hasSuffix("-shm") }
        // Page by page, so that there is also no room for the page that settles the log.
        var last: TaskStoreError?
        for _ in 0..<200 where last == nil { last = await write("UPDATE gate SET revision = revision + 1") }
        #expect(last == .unknown)
        #expect(await insert(1) == .unsettled)
        // Without the reader the log can restart, which removes the failed commit.
        try reader.close()
        #expect(await insert(1) == nil)
        let revision = try await store.verbs.circuits().first?.revision
        let left = try SQLiteDriver.open(path: atFailure)
        #expect(try await left.verbs.circuits().first?.revision == revision.map { $0 + 1 })
        try left.close()
        #expect(try await found(after: "full") == [1])
        try store.close()
    }

    @Test(arguments: [UInt64(1), 2, 3])
    func `after random failures a crash leaves exactly the tasks that the store shows`(seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        var stored: Set<Int> = []
        for number in 0..<60 {
            disk.failSyncs(Int.random(in: 0...3, using: &random) == 0 ? Int.random(in: 1...3, using: &random) : 0)
            let size = Int.random(in: 1...60_000, using: &random)
            let outcome = await error { () throws(TaskStoreError) in
                _ = try await store.verbs.insert(
                    .new(.task(number), request: .string(String(repeating: "x", count: size))))
            }
            disk.hook(nil)
            if outcome == nil { stored.insert(number) }
            // The store settles the log before it answers.
            let isThere = try await store.verbs.task(TrackedTask.task(number).id) != nil
            #expect(isThere == stored.contains(number))
            #expect(try await found(after: "\(number)") == stored.sorted(), "seed \(seed), \(number)")
        }
        try store.close()
    }

    @Test(arguments: [
        (ResultCode.SQLITE_IOERR_FSYNC, true), (.SQLITE_IOERR_SHMSIZE, true), (.SQLITE_NOMEM, true),
        (.SQLITE_IOERR_WRITE, false), (.SQLITE_FULL, false), (.SQLITE_CONSTRAINT_FOREIGNKEY, false),
        (.SQLITE_BUSY, false),
    ])
    func `a failed COMMIT may be on disk unless its error excludes it`(code: ResultCode, mayBe: Bool) {
        #expect(DatabaseError(resultCode: code).mayBeOnDisk == mayBe)
    }
}
