import GRDB
import GRDBSQLite
import TaskModel

/// A row that reads its own columns, by position, straight from the statement.
///
/// GRDB's `Row` makes a dictionary of all column names whenever a statement begins, which took longer than all the rest
/// of reading a task (measured with perf), and its cursors take as long as SQLite takes to find a row (callgrind).
protocol PositionalRow {
    /// Reads the columns in the order of the SELECT.
    init(_ columns: inout ColumnReader) throws
}

extension PositionalRow {
    /// All rows of the statement.
    static func fetchAll(_ statement: Statement, binding values: [ColumnValue]) throws -> [Self] {
        try fetch(statement, binding: values) { _ in false }
    }

    /// The rows of the statement from the first on, up to the one of which `isEnough` says that it will do.
    static func fetch(
        _ statement: Statement, binding values: [ColumnValue], until isEnough: (Self) -> Bool
    ) throws -> [Self] {
        var rows: [Self] = []
        try statement.query(binding: values) { columns in
            let row = try Self(&columns)
            rows.append(row)
            return isEnough(row)
        }
        return rows
    }

    /// The first row of the statement; nil where there is none.
    static func fetchOne(_ statement: Statement, binding values: ColumnValue...) throws -> Self? {
        var row: Self?
        try statement.query(binding: values) { columns in
            row = try Self(&columns)
            return true
        }
        return row
    }
}

extension Statement {
    /// Runs a SELECT row by row, until `body` says that it has had enough.
    fileprivate func query(binding values: [ColumnValue], _ body: (inout ColumnReader) throws -> Bool) throws {
        defer { sqlite3_reset(sqliteStatement) }
        try bind(values)
        while true {
            switch sqlite3_step(sqliteStatement) {
            case SQLITE_ROW:
                var columns = ColumnReader(sqliteStatement)
                guard try !body(&columns) else { return }
            case SQLITE_DONE:
                return
            case let code:
                let message = sqlite3_errmsg(sqlite3_db_handle(sqliteStatement)).map { String(cString: $0) }
                throw DatabaseError(resultCode: ResultCode(rawValue: code), message: message, sql: sql)
            }
        }
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

    /// Nil where it is none.
    mutating func taskID() -> TaskID? {
        defer { index += 1 }
        guard let start = sqlite3_column_text(statement, index) else { return nil }
        let characters = UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, index)))
        bytesRead += characters.count
        return TaskID(characters: characters)
    }

    mutating func time() -> Timestamp? { (optional() as Int64?).map(Timestamp.init(milliseconds:)) }

    private var isNull: Bool { sqlite3_column_type(statement, index) == SQLITE_NULL }

    private mutating func skip<Value>() -> Value? {
        index += 1
        return nil
    }
}
