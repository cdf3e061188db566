import Foundation
import GRDB
import TaskModel
import TaskStore
import TaskTesting
import Testing

@testable import SQLiteDriver

/// Databases that are too large to be checked before the daemon starts.
@Suite struct PageCheckTests {
    private let directory: TemporaryDirectory
    private let path: String

    /// Makes a closed database of more than 8,192 pages.
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

    @Test func `a large database starts unchecked, and is sound once it was checked`() async throws {
        let store = try SQLiteDriver.open(path: path)
        #expect(await store.condition() == .beingChecked)
        // It takes work meanwhile.
        #expect(try await store.verbs.insert(.new(.task(99))) == .created)
        try await store.checkContents()
        #expect(await store.condition() == .sound)
        try store.close()
    }

    @Test func `a broken page of a large database is found beside the running daemon`() async throws {
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
            Issue.record("it counts as sound")
            return
        }
        // No page is read more than once.
        await #expect(throws: TaskStoreError.self) { try await store.checkContents() }
        try store.close()
    }

    @Test func `a check that was cancelled leaves the pages unchecked`() async throws {
        let store = try SQLiteDriver.open(path: path)
        let checking = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await store.checkContents()
        }
        // It may have been over before it was heard of.
        if case .failure = await checking.result { #expect(await store.condition() == .beingChecked) }
        try store.close()
    }
}
