import GRDB
import TaskModel
import TaskStore
import TaskTesting
import Testing

@testable import SQLiteDriver

@Suite struct ReadConnectionPoolTests {
    private let directory: TemporaryDirectory
    private let store: SQLiteDriver
    private var reads: ReadConnectionPool { store.readPool }

    init() throws {
        directory = try TemporaryDirectory()
        store = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
    }

    /// Reads inside reads, so many deep; how many connections were idle at the deepest.
    private func nested(_ depth: Int) throws -> Int {
        guard depth > 0 else { return reads.idleCount }
        return try reads.readUnisolated { db, _ in
            _ = try Int.fetchOne(db, sql: "SELECT COUNT(*) FROM task")
            return try nested(depth - 1)
        }
    }

    @Test func `reads at one moment have a connection each, and a few are kept`() throws {
        #expect(reads.idleCount == 1)
        #expect(try nested(1) == 0)
        #expect(reads.idleCount == 1)
        #expect(try nested(3) == 0)
        #expect(reads.idleCount == 3)
        #expect(try nested(ReadConnectionPool.mostIdle + 5) == 0)
        #expect(reads.idleCount == ReadConnectionPool.mostIdle)
        try store.close()
    }

    @Test func `a read that fails gives its connection back`() throws {
        #expect(throws: DatabaseError.self) {
            try reads.readUnisolated { db, _ in try db.execute(sql: "DELETE FROM task") }
        }
        #expect(throws: DatabaseError.self) {
            try reads.readSnapshot { db, _ in try db.execute(sql: "SELECT nonsense") }
        }
        #expect(reads.idleCount == 1)
        #expect(try nested(1) == 0)
        try store.close()
    }

    @Test func `after closing nothing is read, and a read under way ends well`() async throws {
        let id = TrackedTask.task(1).id
        _ = try await store.verbs.insert(.new(.task(1)))
        let found = try reads.readUnisolated { db, prepared in
            let rows = SQLiteTransaction(db: db, prepared: prepared, counter: nil)
            _ = try rows.tasks([id])
            try store.close()
            return try rows.tasks([id]).first?.task.id
        }
        #expect(found == id)
        #expect(reads.idleCount == 0)
        #expect(throws: DatabaseError.self) { try nested(1) }
        await #expect(throws: TaskStoreError.self) { _ = try await store.verbs.counts() }
    }
}
