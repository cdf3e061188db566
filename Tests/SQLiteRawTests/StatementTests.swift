import GRDB
import SQLiteRaw
import Synchronization
import Testing

@Suite struct StatementTests {
    private struct Number: ColumnDecodable {
        let value: Int
        init(_ next: inout ColumnReader) throws { value = next() }
    }

    /// The tables whose changes GRDB reports.
    private final class Changes: TransactionObserver, Sendable {
        let tables = Mutex<[String]>([])

        func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { true }
        func databaseDidChange(with event: DatabaseEvent) { tables.withLock { $0.append(event.tableName) } }
        func databaseDidCommit(_ db: Database) {}
        func databaseDidRollback(_ db: Database) {}
    }

    private let queue: DatabaseQueue

    init() throws {
        queue = try DatabaseQueue()
        try queue.write { db in try db.execute(sql: "CREATE TABLE number (n INTEGER NOT NULL UNIQUE) STRICT") }
    }

    private func numbers(_ db: Database) throws -> [Int] {
        try Int.fetchAll(db, sql: "SELECT n FROM number ORDER BY n")
    }

    @Test func `a cached statement is built and compiled once`() throws {
        let cache = StatementCache<Int>()
        var built = 0
        func text(_ number: Int) -> String {
            built += 1
            return "SELECT \(number)"
        }
        try queue.read { db in
            let first = try cache(1, in: db, text(1))
            #expect(try cache(1, in: db, text(1)) === first)
            #expect(try cache(2, in: db, text(2)) !== first)
            #expect(built == 2)
            #expect(try Number.fetchOne(cache(1, in: db, text(1)))?.value == 1)
            #expect(try Number.fetchOne(cache(2, in: db, text(2)))?.value == 2)
            #expect(built == 2)
        }
    }

    @Test func `statements are finalized before a close, and none are cached after it`() throws {
        let cache = StatementCache<Int>()
        try queue.read { db in _ = try cache(1, in: db, "SELECT 1") }
        #expect(throws: DatabaseError.self) { try queue.close() }
        try queue.read { db in
            cache.discard()
            _ = try cache(1, in: db, "SELECT 1")
        }
        try queue.close()
    }

    @Test func `a cache for a single read keeps no statement`() throws {
        let cache = StatementCache<Int>(keepsNone: true)
        let found = try queue.read { db in try Number.fetchOne(cache(1, in: db, "SELECT 1")) }
        #expect(found?.value == 1)
        try queue.close()
    }

    @Test func `a statement runs again after a failed run`() throws {
        try queue.writeWithoutTransaction { db in
            let insert = try db.makeStatement(sql: "INSERT INTO number (n) VALUES (?)")
            try insert.execute(binding: .integer(1))
            for _ in 0..<2 { #expect(throws: DatabaseError.self) { try insert.execute(binding: .integer(1)) } }
            try insert.execute(binding: .integer(2))
            #expect(try numbers(db) == [1, 2])
        }
    }

    @Test func `a failed query throws SQLite's error and can run again`() throws {
        try queue.read { db in
            let query = try db.makeStatement(sql: "SELECT abs(?)")
            let error = #expect(throws: DatabaseError.self) { try Number.fetchOne(query, binding: .integer(.min)) }
            #expect(error?.message == "integer overflow")
            #expect(try Number.fetchOne(query, binding: .integer(-3))?.value == 3)
        }
    }

    @Test func `values of an earlier run are cleared`() throws {
        try queue.writeWithoutTransaction { db in
            let insert = try db.makeStatement(sql: "INSERT INTO number (n) VALUES (?)")
            try insert.execute(binding: .integer(1))
            #expect(throws: DatabaseError.self) { try insert.execute(binding: .null) }
            #expect(try numbers(db) == [1])
        }
    }

    @Test func `GRDB observes the changes of a statement`() throws {
        let changes = Changes()
        queue.add(transactionObserver: changes)
        try queue.write { db in
            try db.cachedStatement(sql: "INSERT INTO number (n) VALUES (?)").execute(binding: .integer(5))
            #expect(db.changesCount == 1)
        }
        #expect(changes.tables.withLock { $0 } == ["number"])
        #expect(try queue.read(numbers) == [5])
    }
}
