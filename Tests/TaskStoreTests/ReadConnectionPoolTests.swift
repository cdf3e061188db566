import GRDB
import SQLiteRaw
import StoreSQL
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

    /// Nests that many reads and returns the number of idle connections inside the innermost.
    private func nested(_ depth: Int) throws -> Int {
        guard depth > 0 else { return reads.idleCount }
        return try reads.readUnisolated { connection in
            _ = try connection.integer("SELECT COUNT(*) FROM task")
            return try nested(depth - 1)
        }
    }

    @Test func `concurrent reads have a connection each, and a few connections are kept`() throws {
        #expect(reads.idleCount == 1)
        #expect(try nested(1) == 0)
        #expect(reads.idleCount == 1)
        #expect(try nested(3) == 0)
        #expect(reads.idleCount == 3)
        #expect(try nested(ReadConnectionPool.mostIdle + 5) == 0)
        #expect(reads.idleCount == ReadConnectionPool.mostIdle)
        try store.close()
    }

    @Test func `a failed read returns its connection`() throws {
        #expect(throws: DatabaseError.self) {
            try reads.readUnisolated { try $0.execute("DELETE FROM task") }
        }
        #expect(throws: DatabaseError.self) {
            try reads.readSnapshot { try $0.execute("SELECT nonsense") }
        }
        #expect(reads.idleCount == 1)
        #expect(try nested(1) == 0)
        try store.close()
    }

    @Test func `a read that runs while the store is closed succeeds, and later ones fail`() async throws {
        let id = TrackedTask.task(1).id
        _ = try await store.verbs.insert(.new(.task(1)))
        let found = try reads.readUnisolated { connection in
            let rows = SQLTransaction(connection)
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
