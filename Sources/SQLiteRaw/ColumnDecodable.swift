package import GRDB
import GRDBSQLite

/// A row that reads its own columns, by position, directly from the statement.
///
/// GRDB's `Row` creates a dictionary of all column names when a statement begins, which takes longer than reading a
/// task. Its cursors take as long as SQLite takes to find a row.
package protocol ColumnDecodable {
    /// Reads the columns in the order of the SELECT.
    init(_ columns: inout ColumnReader) throws
}

extension ColumnDecodable {
    /// All rows of the statement.
    package static func fetchAll(_ statement: Statement, binding values: [ColumnValue]) throws -> [Self] {
        try fetch(statement, binding: values) { _ in false }
    }

    /// The rows of the statement, up to and including the first for which `isEnough` returns true.
    package static func fetch(
        _ statement: Statement, binding values: [ColumnValue], until isEnough: (Self) -> Bool
    ) throws -> [Self] {
        defer { statement.reset() }
        try statement.bind(values)
        var rows: [Self] = []
        while let row = try next(of: statement) {
            let isLast = isEnough(row)
            rows.append(row)
            if isLast { break }
        }
        return rows
    }

    /// The first row of the statement; nil if it has none.
    package static func fetchOne(_ statement: Statement, binding values: ColumnValue...) throws -> Self? {
        defer { statement.reset() }
        try statement.bind(values)
        return try next(of: statement)
    }

    /// The next row; throws ``ColumnTypeError`` if a column has another type, even if the row fails by itself too.
    private static func next(of statement: Statement) throws -> Self? {
        guard try statement.step() else { return nil }
        var columns = ColumnReader(statement.sqliteStatement)
        do {
            let row = try Self(&columns)
            try columns.checkTypes()
            return row
        } catch {
            try columns.checkTypes()
            throw error
        }
    }
}

extension Statement {
    fileprivate func reset() { sqlite3_reset(sqliteStatement) }

    /// Moves to the next row; false after the last.
    fileprivate func step() throws -> Bool {
        switch sqlite3_step(sqliteStatement) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code:
            let message = sqlite3_errmsg(sqlite3_db_handle(sqliteStatement)).map { String(cString: $0) }
            throw DatabaseError(resultCode: ResultCode(rawValue: code), message: message, sql: sql)
        }
    }
}
