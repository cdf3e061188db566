import GRDB
import SQLiteRaw
import StoreSQL
import Testing

/// One column of each type, as a row reads them.
private struct Columns: ColumnDecodable, Equatable {
    var integer: Int64 = 0
    var real = 0.0
    var text = ""
    var blob: [UInt8] = []

    init(integer: Int64, real: Double, text: String, blob: [UInt8]) {
        (self.integer, self.real, self.text, self.blob) = (integer, real, text, blob)
    }

    init(_ next: inout ColumnReader) throws { (integer, real, text, blob) = (next(), next(), next(), next()) }
}

/// The same columns as optional values.
private struct OptionalColumns: ColumnDecodable {
    let integer: Int64?
    let number: Int?
    let real: Double?
    let text: String?
    let blob: [UInt8]?

    init(_ next: inout ColumnReader) throws {
        (integer, number, real) = (next.optional(), next.optional(), next.optional())
        (text, blob) = (next.optional(), next.optional())
    }
}

/// A row of one column.
private struct One<Value>: ColumnDecodable {
    let value: Value
    init(_ next: inout ColumnReader) throws { value = try Self.read(&next) }

    private static func read(_ next: inout ColumnReader) throws -> Value {
        let value: Any =
            switch Value.self {
            case is Int64.Type: next() as Int64
            case is Double.Type: next() as Double
            case is String.Type: next() as String
            case is [UInt8].Type: next() as [UInt8]
            case is Int64?.Type: next.optional() as Int64? as Any
            default: next() as Bool
            }
        guard let value = value as? Value else { throw Unreadable() }
        return value
    }
}

/// A row whose own check fails.
private struct Unreadable: Error {}
private struct FailingRow: ColumnDecodable {
    init(_ next: inout ColumnReader) throws {
        _ = next() as Int64
        throw Unreadable()
    }
}

@Suite struct ColumnTests {
    private static let insertion: SQLStatement = "INSERT INTO sample (i, r, t, b) VALUES (?, ?, ?, ?)"
    private let queue: DatabaseQueue

    init() throws {
        queue = try DatabaseQueue()
        try queue.write { db in
            try db.execute(
                sql: "CREATE TABLE sample (id INTEGER PRIMARY KEY, i INTEGER, r REAL, t TEXT, b BLOB) STRICT")
        }
    }

    @Test(
        arguments: [
            (Int64.min, -Double.greatestFiniteMagnitude, "", []),
            (Int64.max, Double.leastNonzeroMagnitude, "a\0b", [0]),
            (0, 0.1, "żółw 🐢", [UInt8](0...255)),
            (-1, .infinity, String(repeating: "x", count: 70_000), [UInt8](repeating: 0, count: 70_000)),
        ] as [(Int64, Double, String, [UInt8])])
    func `a bound value of each type is read unchanged`(
        integer: Int64, real: Double, text: String, blob: [UInt8]
    ) throws {
        let sample = Columns(integer: integer, real: real, text: text, blob: blob)
        try queue.write { db in
            let connection = RawConnection(db)
            try connection.execute(Self.insertion, [.integer(integer), .real(real), .text(text), .blob(blob)])
            #expect(try Columns.fetchAll(connection, "SELECT i, r, t, b FROM sample") == [sample])
            let types = try Row.fetchOne(db, sql: "SELECT typeof(i), typeof(r), typeof(t), typeof(b) FROM sample")
            #expect(types.map { Array($0.databaseValues) } == ["integer", "real", "text", "blob"].map(\.databaseValue))
        }
    }

    @Test func `nil is bound as NULL, and so is an unbound value`() throws {
        try queue.write { db in
            let connection = RawConnection(db)
            try connection.execute(Self.insertion, [.integer(7), .real(7), .text("seven"), .blob([7])])
            try connection.execute(
                Self.insertion,
                [
                    ColumnValue(nil as Int?), ColumnValue(nil as Double?), ColumnValue(nil as String?),
                    ColumnValue(nil as [UInt8]?),
                ])
            let rows = try OptionalColumns.fetchAll(connection, "SELECT i, i, r, t, b FROM sample ORDER BY id")
            #expect(rows.count == 2)
            #expect(rows[0].integer == 7 && rows[0].number == 7 && rows[0].real == 7)
            #expect(rows[0].text == "seven" && rows[0].blob == [7])
            #expect(rows[1].integer == nil && rows[1].number == nil && rows[1].real == nil)
            #expect(rows[1].text == nil && rows[1].blob == nil)
        }
    }

    /// Reads the first column of a statement as that type. Returns the error.
    private func mismatch<Value>(_ type: Value.Type, _ sql: String) throws -> ColumnTypeError? {
        try queue.read { db in
            do {
                _ = try One<Value>.fetchOne(RawConnection(db), .text(sql))
                return nil
            } catch let error as ColumnTypeError {
                return error
            }
        }
    }

    @Test func `a column of another type is an error that names the column and both types`() throws {
        #expect(
            try mismatch(Int64.self, "SELECT '5' AS polls").map { "\($0)" } == "the column polls has TEXT, not INTEGER")
        #expect(
            try mismatch(String.self, "SELECT 5 AS label").map { "\($0)" } == "the column label has INTEGER, not TEXT")
        #expect(
            try mismatch([UInt8].self, "SELECT 'x' AS digest").map { "\($0)" } == "the column digest has TEXT, not BLOB"
        )
        #expect(
            try mismatch(Bool.self, "SELECT 0.5 AS flag").map { "\($0)" } == "the column flag has REAL, not INTEGER")
        #expect(
            try mismatch(Int64?.self, "SELECT X'00' AS due").map { "\($0)" } == "the column due has BLOB, not INTEGER")
    }

    @Test func `NULL in a required column is an error that names the column`() throws {
        #expect(
            try mismatch(Int64.self, "SELECT NULL AS polls").map { "\($0)" } == "the column polls has NULL, not INTEGER"
        )
        #expect(try mismatch(Int64?.self, "SELECT NULL AS polls") == nil)
    }

    @Test func `an integer is read as a real number`() throws {
        #expect(try mismatch(Double.self, "SELECT 3") == nil)
    }

    @Test func `a type error takes precedence over an error of the row`() throws {
        try queue.read { db in
            #expect(throws: ColumnTypeError.self) {
                try FailingRow.fetchOne(RawConnection(db), "SELECT 'text' AS number")
            }
            #expect(throws: Unreadable.self) { try FailingRow.fetchOne(RawConnection(db), "SELECT 1") }
        }
    }

    @Test func `reading ends at the first row that is sufficient`() throws {
        let sql: SQLStatement =
            "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT i FROM n"
        try queue.read { db throws in
            let connection = RawConnection(db)
            #expect(
                try One<Int64>.fetch(connection, sql, []) { $0.value == 4 }.map(\.value) == [1, 2, 3, 4])
            #expect(try One<Int64>.fetchAll(connection, sql).count == 9)
            #expect(try One<Int64>.fetchOne(connection, sql)?.value == 1)
            #expect(try One<Int64>.fetchOne(connection, "SELECT 1 WHERE 0") == nil)
        }
    }

    @Test func `a reader counts the bytes of texts and blobs`() throws {
        struct Counted: ColumnDecodable {
            let bytes: Int
            init(_ next: inout ColumnReader) throws {
                let (_, _, _): (Int64, String, [UInt8]) = (next(), next(), next())
                _ = next.withText { $0.count }
                bytes = next.bytesRead
            }
        }
        try queue.read { db in
            let counted = try Counted.fetchOne(RawConnection(db), "SELECT 123456, 'żó', X'010203', 'four'")
            #expect(counted?.bytes == 4 + 3 + 4)
        }
    }
}

extension One: Equatable where Value: Equatable {}
