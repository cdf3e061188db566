import Foundation
import PostgresMigrations
import PostgresTesting
import StoreSQL
import TaskStore
import Testing

@testable import PostgresDriver

/// Tests statements, values and transactions on a real server.
@Suite(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.howToInstall)))
struct PostgresConnectionTests {
    private let address: String

    init() throws { address = try PostgresServer.shared.newDatabase() }

    private func connect(keepsStatements: Bool = true, to other: String? = nil) throws -> PostgresConnection {
        let address = try PostgresAddress(other ?? address)
        let connection = try PostgresConnection(PostgresOptions(address: address, keepsStatements: keepsStatements))
        try PostgresSchema.prepare(connection)
        try connection.beginPipeline()
        return connection
    }

    private func names(_ connection: PostgresConnection) throws -> [String] {
        var names: [String] = []
        try connection.rows(of: "SELECT name FROM meta ORDER BY name", []) { columns in
            names.append(columns())
            return false
        }
        return names
    }

    @Test func `question marks become numbers, except in quotes`() {
        #expect(PostgresStatement.numbered("a = ? AND b = '?''?' AND c < ?") == "a = $1 AND b = '?''?' AND c < $2")
        #expect(PostgresStatement.numbered("a = ?2 OR b = ?1 OR c = ?2") == "a = $2 OR b = $1 OR c = $2")
    }

    @Test func `a plan that was made while a table was empty does not read it whole`() throws {
        let connection = try connect()
        try connection.beginWrite()
        var plan: [String] = []
        let statement: SQLStatement =
            "EXPLAIN SELECT * FROM event, task WHERE task.task_key = event.task_key AND sequence > ?"
        try connection.rows(of: statement, [.integer(0)]) { columns in
            plan.append(columns())
            return false
        }
        try connection.commit()
        #expect(plan.contains { $0.contains("task_pkey") } && !plan.contains { $0.contains("JIT") }, "\(plan)")
    }

    @Test(arguments: [true, false])
    func `values are read as they were written`(keepsStatements: Bool) throws {
        let connection = try connect(keepsStatements: keepsStatements)
        try connection.execute("CREATE TABLE t (i BIGINT, r DOUBLE PRECISION, t TEXT, b BYTEA)")
        let rows: [[ColumnValue]] = [
            [.integer(.min), .real(0.1), .text("é?'\\ $1"), .blob([0, 255, 92])],
            [.integer(.max), .real(-1e300), .text(""), .blob([])],
            [.null, .null, .null, .null],
            [.integer(0), .real(.infinity), .text("a\u{0}b"), .blob([1])],
        ]
        for row in rows { try connection.execute("INSERT INTO t VALUES (?, ?, ?, ?)", row) }
        var found: [[ColumnValue]] = []
        try connection.rows(of: "SELECT i, r, t, b FROM t", []) { columns in
            let row: (Int64?, Double?, String?, [UInt8]?) = (
                columns.optional(), columns.optional(), columns.optional(), columns.optional()
            )
            found.append([ColumnValue(row.0), ColumnValue(row.1), ColumnValue(row.2), ColumnValue(row.3)])
            return false
        }
        #expect(found[..<3] == rows[..<3])
        #expect(found[3][2] == .text("a\u{FFFD}b"))
    }

    @Test func `booleans, small integers and sums are integers`() throws {
        let connection = try connect()
        var found: [Int64?] = []
        try connection.rows(
            of: """
                SELECT 7 > 6, 5::int2, 70000, (SELECT SUM(n) FROM (VALUES (9000000000000000000), (-1), (-12345)) AS v (n)),
                  -120000::numeric, 0::numeric, NULL
                """, []
        ) { columns in
            found = (0..<7).map { _ in columns.optional() }
            return true
        }
        #expect(found == [1, 5, 70_000, 8_999_999_999_999_987_654, -120_000, 0, nil])
    }

    @Test func `the rows of several lists come in their order, and reading may end early`() throws {
        let connection = try connect()
        let lists = [[ColumnValue.integer(2)], [.integer(0)], [.integer(3)]]
        var groups: [[Int64]] = [[], [], []]
        try connection.rows(of: "SELECT n::bigint FROM generate_series(1, CAST(? AS BIGINT)) AS n", each: lists) {
            list, columns in groups[list].append(columns())
        }
        #expect(groups == [[1, 2], [], [1, 2, 3]])
        var seen = 0
        try connection.rows(of: "SELECT generate_series(1, 100000)", []) { _ in
            seen += 1
            return seen == 3
        }
        #expect(seen == 3)
        #expect(try connection.integer("SELECT 4") == 4)
    }

    @Test(arguments: [0, 2])
    func `a statement that changes another number of rows than it must undoes the transaction`(rows: Int) throws {
        let connection = try connect()
        for name in 0..<rows { try connection.execute("INSERT INTO meta (name, value) VALUES ('\(name)', '')") }
        try connection.finish()
        try connection.beginWrite()
        try connection.execute("INSERT INTO part_removal (sha256) VALUES ('x')")
        try connection.execute("UPDATE meta SET value = ?", [.text("x")], changing: 1)
        let error = #expect(throws: PostgresError.self) { try connection.commit() }
        #expect(error?.state == PostgresStatement.wrongCount)
        connection.rollBack()
        #expect(connection.isReady)
        #expect(try connection.integer("SELECT COUNT(*) FROM part_removal") == 0)
        try connection.execute("UPDATE meta SET value = ?", [.text("y")], changing: rows)
        try connection.finish()
    }

    @Test func `an error of a queued statement is thrown by the commit, which stores nothing`() throws {
        let connection = try connect()
        try connection.beginWrite()
        try connection.execute("INSERT INTO meta (name, value) VALUES ('a', 'b')")
        try connection.execute("INSERT INTO meta (name, value) VALUES ('a', 'c')")
        let error = #expect(throws: PostgresError.self) { try connection.commit() }
        #expect(error?.state == "23505")
        connection.rollBack()
        #expect(try names(connection) == [])
        try connection.beginWrite()
        try connection.execute("INSERT INTO meta (name, value) VALUES ('a', 'c')")
        try connection.commit()
        #expect(try names(connection) == ["a"])
    }

    @Test func `an undone savepoint leaves the rest of the transaction`() throws {
        let connection = try connect()
        try connection.beginWrite()
        try connection.finish()
        try connection.inSavepoint { try connection.execute("INSERT INTO meta (name, value) VALUES ('a', '')") }
        #expect(throws: PostgresError.self) {
            try connection.inSavepoint {
                _ = try connection.insert(
                    "INSERT INTO event (sequence, at_ms, kind, detail) VALUES (?, ?, ?, ?)", numberedBy: .event,
                    each: [[.integer(1), .text("x"), .text("{}")]])
                try connection.execute("INSERT INTO meta (name, value) VALUES ('a', '')")
            }
        }
        try connection.inSavepoint { try connection.execute("INSERT INTO meta (name, value) VALUES ('b', '')") }
        try connection.commit()
        #expect(try names(connection) == ["a", "b"])
        #expect(try connection.integer("SELECT last_event FROM log_counter") == 0)
    }

    @Test func `numbers of rows continue after the last ones, and are visible in their transaction`() throws {
        let connection = try connect()
        let insertion: SQLStatement = "INSERT INTO event (sequence, at_ms, kind, detail) VALUES (?, ?, 'x', '{}')"
        for expected in [[Int64(1), 2], [3, 4]] {
            try connection.beginWrite()
            let numbers = try connection.insert(
                insertion, numberedBy: .event, each: [[.integer(1)], [.integer(2)]])
            #expect(numbers == expected)
            #expect(try connection.integer("SELECT last_event FROM log_counter") == expected.last)
            try connection.commit()
        }
        try connection.execute("DELETE FROM event")
        #expect(try connection.integer("SELECT last_event FROM log_counter") == 4)
    }

    @Test func `texts are compared by their bytes`() throws {
        let connection = try connect()
        for name in ["b", "B", "a", "é"] {
            try connection.execute("INSERT INTO meta (name, value) VALUES (?, '')", [.text(name)])
        }
        #expect(try names(connection) == ["B", "a", "b", "é"])
    }

    @Test func `a large exchange in both directions does not block`() throws {
        let connection = try connect()
        let long = String(repeating: "x", count: 1 << 20)
        let lists = (0..<40).map { _ in [ColumnValue.text(long)] }
        var found: [String] = []
        try connection.rows(of: "SELECT CAST(? AS TEXT)", each: lists) { _, columns in found.append(columns()) }
        #expect(found.count == 40 && found.allSatisfy { $0 == long })
    }

    @Test(.timeLimit(.minutes(1)), arguments: [true, false])
    func `a transaction runs behind a pooler that changes the session`(writes: Bool) throws {
        let server = try PostgresServer.shared
        let one = try connect(keepsStatements: false, to: server.pooled(address))
        let other = try connect(keepsStatements: false, to: server.pooled(address))
        for round in 0..<20 {
            for connection in [one, other] {
                if writes { try connection.beginWrite() } else { try connection.beginRead() }
                #expect(try connection.integer("SELECT CAST(? AS BIGINT)", [.integer(Int64(round))]) == Int64(round))
                try connection.commit()
            }
        }
    }

    @Test func `a password is not in the text of an error`() throws {
        let address = "postgres://someone:geheim%21@localhost:1/x?connect_timeout=1&application_name=geheim!"
        let error = #expect(throws: PostgresError.self) {
            try PostgresConnection(PostgresOptions(address: PostgresAddress(address), keepsStatements: true))
        }
        #expect(error?.message.contains("geheim") == false)
        #expect(try PostgresAddress(address).redacted("x geheim! y") == "x (password) y")
        let unreadable = #expect(throws: PostgresAddressError.self) { try PostgresAddress("postgres://a:geheim@[x") }
        #expect(unreadable?.description.contains("geheim") == false)
    }

    @Test func `the embedded migrations equal the files of the folder`() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "migrations/postgres")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".sql") }
            .sorted()
        #expect(PostgresMigrations.all.map { $0.name + ".sql" } == files)
        for migration in PostgresMigrations.all {
            let text = try String(contentsOf: folder.appending(path: migration.name + ".sql"), encoding: .utf8)
            #expect(migration.sql == text)
        }
    }
}
