import Foundation
import GRDB
import TaskModel
import TaskStore
import TaskTesting
import Testing

@testable import SQLiteDriver

/// Tests databases that are too large for a check before the start.
@Suite struct PageCheckTests {
    private let directory: TemporaryDirectory
    private let path: String

    /// Creates a closed database of more than 8,192 pages.
    init() async throws {
        directory = try TemporaryDirectory()
        path = directory.file("pollux.sqlite")
        let store = try SQLiteDriver.open(path: path)
        for number in 0..<40 { _ = try await store.verbs.insert(.new(.task(number))) }
        try await store.write { db in
            for number in 0..<36 {
                try db.execute(
                    sql:
                        "INSERT INTO gate (kind, name, account, error_message, revision) VALUES ('polls', ?, 'default', hex(zeroblob(500000)), 1)",
                    arguments: ["\(number)"])
            }
        }
        try store.close()
    }

    @Test func `a large database opens unchecked and is sound after its check`() async throws {
        let store = try SQLiteDriver.open(path: path)
        #expect(await store.condition() == .beingChecked)
        // It accepts writes before the check.
        #expect(try await store.verbs.insert(.new(.task(99))) == .created)
        try await store.checkContents()
        #expect(await store.condition() == .sound)
        try store.close()
    }

    @Test func `the check of a large database finds a damaged page while the daemon runs`() async throws {
        let root = try await {
            let queue = try DatabaseQueue(path: path)
            defer { try? queue.close() }
            return try await queue.read { db in
                try Int.fetchOne(db, sql: "SELECT rootpage FROM sqlite_schema WHERE name = 'event_task'") ?? 0
            }
        }()
        let file = try FileHandle(forUpdating: URL(filePath: path))
        try file.seek(toOffset: UInt64((root - 1) * 4_096))
        try file.write(contentsOf: Data(repeating: 0xa5, count: 4_096))
        try file.close()
        let store = try SQLiteDriver.open(path: path)
        #expect(await store.condition() == .beingChecked)
        let error = await #expect(throws: TaskStoreError.self) { try await store.checkContents() }
        #expect(error?.code == "storage_damaged")
        guard case .failed(.damaged) = await store.condition() else {
            Issue.record("the database counts as sound")
            return
        }
        // The failed check is not repeated.
        await #expect(throws: TaskStoreError.self) { try await store.checkContents() }
        try store.close()
    }

    @Test func `a cancelled check leaves the database unchecked`() async throws {
        let store = try SQLiteDriver.open(path: path)
        let checking = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await store.checkContents()
        }
        // The check may have finished before the cancellation.
        if case .failure = await checking.result { #expect(await store.condition() == .beingChecked) }
        try store.close()
    }
}
