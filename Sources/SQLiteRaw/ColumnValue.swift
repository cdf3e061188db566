package import GRDB
import GRDBSQLite

/// A value to bind to a statement.
///
/// GRDB takes values of any type, boxes each and converts it. For a task's forty columns this takes half as long as the
/// insertion itself. These values are bound directly.
package enum ColumnValue: Hashable, Sendable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])

    package init(_ text: String?) { self = text.map(ColumnValue.text) ?? .null }
    package init(_ number: Int) { self = .integer(Int64(number)) }
    package init(_ number: Int?) { self = number.map { .integer(Int64($0)) } ?? .null }
    package init(_ number: Int64?) { self = number.map(ColumnValue.integer) ?? .null }
    package init(_ number: Double?) { self = number.map(ColumnValue.real) ?? .null }
    package init(_ flag: Bool) { self = .integer(flag ? 1 : 0) }
    package init(_ bytes: [UInt8]?) { self = bytes.map(ColumnValue.blob) ?? .null }
}

extension Statement {
    /// Runs the statement once with these values, in the order of its question marks.
    package func execute(binding values: ColumnValue...) throws { try execute(binding: values) }

    /// Runs the statement once with these values, in the order of its question marks.
    package func execute(binding values: [ColumnValue]) throws {
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
