import FoundationEssentials
import GRDB
import GRDBSQLite
import TaskModel

/// A row that reads its own columns, by position, straight from the statement.
///
/// GRDB's `Row` makes a dictionary of all column names whenever a statement begins, which took longer than all the rest
/// of reading a task (measured with perf). This goes by GRDB's way for values of one column, which hands out the
/// statement: the first column must not be null.
protocol PositionalRow {
    /// Reads the columns in the order of the SELECT.
    init(_ columns: inout ColumnReader) throws
}

extension PositionalRow {
    /// All rows of the statement.
    static func fetchAll(_ statement: Statement, arguments: StatementArguments) throws -> [Self] {
        let cursor = try Fetched<Self>.fetchCursor(statement, arguments: arguments)
        var rows: [Self] = []
        while let fetched = try cursor.next() { rows.append(try fetched.row.get()) }
        return rows
    }

    /// The rows of the statement from the first on, as long as `isEnough` does not say that these will do.
    static func fetch(
        _ statement: Statement, arguments: StatementArguments, until isEnough: (Self) -> Bool
    ) throws -> [Self] {
        let cursor = try Fetched<Self>.fetchCursor(statement, arguments: arguments)
        var rows: [Self] = []
        while let fetched = try cursor.next() {
            let row = try fetched.row.get()
            rows.append(row)
            if isEnough(row) { break }
        }
        return rows
    }

    /// The first row of the statement; nil where there is none.
    static func fetchOne(_ statement: Statement, arguments: StatementArguments) throws -> Self? {
        try Fetched<Self>.fetchCursor(statement, arguments: arguments).next()?.row.get()
    }
}

/// Reads the columns of a row one after another.
struct ColumnReader {
    private let statement: SQLiteStatement
    private var index: CInt = 0
    /// How much text and other bytes were read.
    private(set) var bytesRead = 0

    fileprivate init(_ statement: SQLiteStatement) { self.statement = statement }

    mutating func callAsFunction() -> Int64 {
        defer { index += 1 }
        return sqlite3_column_int64(statement, index)
    }

    mutating func callAsFunction() -> Int { Int(self() as Int64) }

    mutating func callAsFunction() -> Bool { (self() as Int64) != 0 }

    mutating func callAsFunction() -> Double {
        defer { index += 1 }
        return sqlite3_column_double(statement, index)
    }

    mutating func callAsFunction() -> String {
        defer { index += 1 }
        guard let start = sqlite3_column_text(statement, index) else { return "" }
        let bytes = UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, index)))
        bytesRead += bytes.count
        return String(decoding: bytes, as: UTF8.self)
    }

    mutating func callAsFunction() -> [UInt8] {
        defer { index += 1 }
        guard let start = sqlite3_column_blob(statement, index) else { return [] }
        let bytes = UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, index)))
        bytesRead += bytes.count
        return Array(bytes)
    }

    mutating func optional() -> Int64? { isNull ? skip() : self() }
    mutating func optional() -> Int? { isNull ? skip() : self() }
    mutating func optional() -> Double? { isNull ? skip() : self() }
    mutating func optional() -> String? { isNull ? skip() : self() }
    mutating func optional() -> [UInt8]? { isNull ? skip() : self() }

    mutating func time() -> Timestamp? { (optional() as Int64?).map(Timestamp.init(milliseconds:)) }

    private var isNull: Bool { sqlite3_column_type(statement, index) == SQLITE_NULL }

    private mutating func skip<Value>() -> Value? {
        index += 1
        return nil
    }
}

/// What GRDB takes for a value of one column.
private struct Fetched<Content: PositionalRow>: DatabaseValueConvertible, StatementColumnConvertible {
    let row: Result<Content, any Error>

    init?(sqliteStatement: SQLiteStatement, index: CInt) {
        var columns = ColumnReader(sqliteStatement)
        row = Result { try Content(&columns) }
    }

    // Never written, and never read from anything but a statement.
    var databaseValue: DatabaseValue { .null }
    static func fromDatabaseValue(_ value: DatabaseValue) -> Self? { nil }
}
