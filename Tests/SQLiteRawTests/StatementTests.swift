import GRDB
import SQLiteRaw
import StoreSQL
import Synchronization
import Testing

@Suite struct StatementTests {
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

    @Test func `the text of a statement with a key is built once`() throws {
        let cache = StatementCache()
        let built = Mutex(0)
        func statement(_ number: Int, _ key: SQLStatement.Key) -> SQLStatement {
            .keyed(key) { _ in
                built.withLock { $0 += 1 }
                return "SELECT \(number)"
            }
        }
        try queue.read { db throws in
            let connection = RawConnection(db, cache)
            for _ in 1...2 {
                #expect(try connection.integer(statement(1, .taskByID)) == 1)
                #expect(try connection.integer(statement(2, .taskByKey)) == 2)
            }
            #expect(built.withLock { $0 } == 2)
        }
    }

    @Test func `statements are finalized before a close, and none are cached after it`() throws {
        let cache = StatementCache()
        let statement = SQLStatement.keyed(.taskByID) { _ in "SELECT 1" }
        try queue.read { db in _ = try RawConnection(db, cache).integer(statement) }
        #expect(throws: DatabaseError.self) { try queue.close() }
        try queue.read { db in
            cache.discard()
            _ = try RawConnection(db, cache).integer(statement)
        }
        try queue.close()
    }

    @Test func `a cache for a single read keeps no statement`() throws {
        let found = try queue.read { db in try RawConnection(db).integer(.keyed(.taskByID) { _ in "SELECT 1" }) }
        #expect(found == 1)
        try queue.close()
    }

    @Test func `a statement runs again after a failed run`() throws {
        try queue.writeWithoutTransaction { db in
            let connection = RawConnection(db)
            func insert(_ value: ColumnValue) throws {
                try connection.execute("INSERT INTO number (n) VALUES (?)", [value])
            }
            try insert(.integer(1))
            for _ in 0..<2 { #expect(throws: DatabaseError.self) { try insert(.integer(1)) } }
            try insert(.integer(2))
            #expect(try numbers(db) == [1, 2])
        }
    }

    @Test func `a failed query throws SQLite's error and can run again`() throws {
        try queue.read { db throws in
            let connection = RawConnection(db)
            func absolute(_ number: Int64) throws -> Int64? {
                try connection.integer("SELECT abs(?)", [.integer(number)])
            }
            let error = #expect(throws: DatabaseError.self) { try absolute(.min) }
            #expect(error?.message == "integer overflow")
            #expect(try absolute(-3) == 3)
        }
    }

    @Test func `values of an earlier run are cleared`() throws {
        try queue.writeWithoutTransaction { db in
            let connection = RawConnection(db)
            func insert(_ value: ColumnValue) throws {
                try connection.execute("INSERT INTO number (n) VALUES (?)", [value])
            }
            try insert(.integer(1))
            #expect(throws: DatabaseError.self) { try insert(.null) }
            #expect(try numbers(db) == [1])
        }
    }

    @Test func `GRDB observes the changes of a statement`() throws {
        let changes = Changes()
        queue.add(transactionObserver: changes)
        try queue.write { db throws in
            let connection = RawConnection(db)
            #expect(try connection.change("INSERT INTO number (n) VALUES (?)", [.integer(5)]) == 1)
        }
        #expect(changes.tables.withLock { $0 } == ["number"])
        #expect(try queue.read(numbers) == [5])
    }

    @Test func `an insertion returns the keys of its rows in order`() throws {
        try queue.write { db in
            let connection = RawConnection(db)
            let keys = try connection.insert(
                "INSERT INTO number (n) VALUES (?)", numberedBy: .task, each: [[.integer(7)], [.integer(3)]])
            #expect(keys == [1, 2])
            #expect(
                try connection.integer("SELECT n FROM number WHERE rowid = ?", [.integer(keys[1])]) == 3)
        }
    }

    @Test func `rows of several lists of values come in the order of the lists`() throws {
        try queue.write { db in
            let connection = RawConnection(db)
            for number in 1...5 { try connection.execute("INSERT INTO number (n) VALUES (?)", [ColumnValue(number)]) }
            let lists: [[ColumnValue]] = [[.integer(4)], [.integer(9)], [.integer(2)]]
            let statement: SQLStatement = "SELECT n FROM number WHERE n >= ?1 ORDER BY n LIMIT 2"
            #expect(try Int64.fetchAll(connection, statement, each: lists) == [4, 5, 2, 3])
            #expect(try Int64.fetchGroups(connection, statement, each: lists) == [[4, 5], [], [2, 3]])
        }
    }
}
