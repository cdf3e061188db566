import GRDB
import GRDBSQLite
import StoreSQL

extension Statement {
    /// Runs the statement once with these values, in the order of its question marks.
    ///
    /// GRDB takes values of any type, boxes each and converts it. For a task's forty columns this takes half as long as
    /// the insertion itself. These values are bound directly.
    func execute(binding values: [ColumnValue]) throws {
        // If the last run of the statement failed, this returns its error again (https://sqlite.org/c3ref/reset.html).
        // GRDB treats such an error as a bug and drops the statement from its cache; our statements are used again.
        sqlite3_reset(sqliteStatement)
        // GRDB then checks no arguments; this code binds them itself.
        setUncheckedArguments(StatementArguments())
        try bind(values)
        // GRDB must run it, because it observes transactions.
        try execute()
    }

    /// Binds the values of the question marks, in order. Earlier values are cleared.
    func bind(_ values: [ColumnValue]) throws {
        assert(values.count == Int(sqlite3_bind_parameter_count(sqliteStatement)), "as many values as question marks")
        sqlite3_clear_bindings(sqliteStatement)
        for place in values.indices {
            let code = values[place].bind(to: sqliteStatement, at: CInt(place + 1))
            guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
        }
    }

    func reset() { sqlite3_reset(sqliteStatement) }

    /// Moves to the next row; false after the last.
    func step() throws -> Bool {
        switch sqlite3_step(sqliteStatement) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code:
            let message = sqlite3_errmsg(sqlite3_db_handle(sqliteStatement)).map { String(cString: $0) }
            throw DatabaseError(resultCode: ResultCode(rawValue: code), message: message, sql: sql)
        }
    }
}

extension ColumnValue {
    fileprivate func bind(to statement: SQLiteStatement, at place: CInt) -> CInt {
        // SQLITE_TRANSIENT: SQLite copies the bytes (https://sqlite.org/c3ref/bind_blob.html).
        let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        switch self {
        // A question mark without a value is NULL.
        case .null: return SQLITE_OK
        case .integer(let number): return sqlite3_bind_int64(statement, place, number)
        case .real(let number): return sqlite3_bind_double(statement, place, number)
        case .text(var text):
            return text.withUTF8 { bytes in
                bytes.withMemoryRebound(to: CChar.self) { characters in
                    // SQLite binds NULL for a null pointer, and an empty text may have no address.
                    let start = characters.baseAddress ?? UnsafePointer(bitPattern: 1)
                    return sqlite3_bind_text(statement, place, start, CInt(characters.count), copied)
                }
            }
        case .blob(let bytes):
            return bytes.withUnsafeBytes { bytes in
                // The same for empty bytes.
                let start = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 1)
                return sqlite3_bind_blob(statement, place, start, CInt(bytes.count), copied)
            }
        }
    }
}
