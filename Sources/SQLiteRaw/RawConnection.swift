package import GRDB
import GRDBSQLite
package import StoreSQL

/// Runs statements on a connection of GRDB, without its conversions of values and rows: docs/sqlite.md.
package struct RawConnection: SQLConnection {
    private let db: Database
    private let prepared: StatementCache

    /// Creates a connection that keeps the statements with keys in the cache, which belongs to `db`.
    package init(_ db: Database, _ prepared: StatementCache = StatementCache(keepsNone: true)) {
        self.db = db
        self.prepared = prepared
    }

    package var dialect: SQLDialect { .sqlite }

    package func execute(_ statement: SQLStatement, _ values: [ColumnValue], changing expected: Int?) throws {
        try prepared(statement, in: db).execute(binding: values)
        guard let expected else { return }
        precondition(db.changesCount == expected, "a row changed inside our own transaction")
    }

    package func change(_ statement: SQLStatement, _ values: [ColumnValue]) throws -> Int {
        try prepared(statement, in: db).execute(binding: values)
        return db.changesCount
    }

    package func insert(
        _ statement: SQLStatement, numberedBy sequence: SQLSequence, each values: [[ColumnValue]]
    ) throws -> [Int64] {
        let compiled = try prepared(statement, in: db)
        return try values.map { values in
            try compiled.execute(binding: values)
            return db.lastInsertedRowID
        }
    }

    package func rows(
        of statement: SQLStatement, _ values: [ColumnValue], until row: (inout ColumnReader) throws -> Bool
    ) throws {
        try rows(of: prepared(statement, in: db), values, until: row)
    }

    package func rows(
        of statement: SQLStatement, each values: [[ColumnValue]],
        _ row: (_ list: Int, _ columns: inout ColumnReader) throws -> Void
    ) throws {
        let compiled = try prepared(statement, in: db)
        for list in values.indices {
            try rows(of: compiled, values[list]) { columns in
                try row(list, &columns)
                return false
            }
        }
    }

    /// GRDB's `Row` creates a dictionary of all column names when a statement begins, which takes longer than reading a
    /// task. Its cursors take as long as SQLite takes to find a row.
    private func rows(
        of statement: Statement, _ values: [ColumnValue], until row: (inout ColumnReader) throws -> Bool
    ) throws {
        defer { statement.reset() }
        try statement.bind(values)
        while try statement.step() {
            var columns = ColumnReader(StatementRow(statement: statement.sqliteStatement))
            if try row(&columns) { return }
        }
    }
}

/// The current row of a statement.
private struct StatementRow: ColumnSource {
    let statement: SQLiteStatement

    func type(of column: Int) -> ColumnType {
        switch sqlite3_column_type(statement, CInt(column)) {
        case SQLITE_INTEGER: .integer
        case SQLITE_FLOAT: .real
        case SQLITE_TEXT: .text
        case SQLITE_BLOB: .blob
        default: .null
        }
    }

    func integer(_ column: Int) -> Int64 { sqlite3_column_int64(statement, CInt(column)) }
    func real(_ column: Int) -> Double { sqlite3_column_double(statement, CInt(column)) }

    func text(_ column: Int) -> UnsafeBufferPointer<UInt8> {
        bytes(sqlite3_column_text(statement, CInt(column)), column)
    }

    func blob(_ column: Int) -> UnsafeBufferPointer<UInt8> {
        bytes(sqlite3_column_blob(statement, CInt(column))?.assumingMemoryBound(to: UInt8.self), column)
    }

    func name(of column: Int) -> String {
        sqlite3_column_name(statement, CInt(column)).map { String(cString: $0) } ?? "\(column)"
    }

    private func bytes(_ start: UnsafePointer<UInt8>?, _ column: Int) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, CInt(column))))
    }
}
