import GRDB
import GRDBSQLite
import TaskModel

/// A value on its way into a column.
///
/// GRDB takes values of any type, boxes each and converts it when it is bound; for the forty columns of a task that took
/// as long as half of the insertion itself (measured with perf). These are bound as they are.
enum ColumnValue: Hashable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])

    init(_ text: String?) { self = text.map(ColumnValue.text) ?? .null }
    init(_ number: Int) { self = .integer(Int64(number)) }
    init(_ number: Int?) { self = number.map { .integer(Int64($0)) } ?? .null }
    init(_ number: Int64?) { self = number.map(ColumnValue.integer) ?? .null }
    init(_ number: Double?) { self = number.map(ColumnValue.real) ?? .null }
    init(_ flag: Bool) { self = .integer(flag ? 1 : 0) }
    init(_ bytes: [UInt8]?) { self = bytes.map(ColumnValue.blob) ?? .null }
    init(_ time: Timestamp) { self = .integer(time.milliseconds) }
    init(_ time: Timestamp?) { self = time.map { .integer($0.milliseconds) } ?? .null }
}

extension Statement {
    /// Runs the statement once with these values, in the order of its question marks.
    func execute(binding values: ColumnValue...) throws { try execute(binding: values) }

    /// Runs the statement once with these values, in the order of its question marks.
    func execute(binding values: [ColumnValue]) throws {
        // Where the last run of the statement failed, this returns its error once more
        // (https://sqlite.org/c3ref/reset.html), and GRDB takes an error from it for a bug. GRDB's own cache drops such
        // statements; the hot ones are used again.
        sqlite3_reset(sqliteStatement)
        // Says to GRDB that the values are seen to.
        setUncheckedArguments(StatementArguments())
        try bind(values)
        try execute()
    }

    /// Sets the values of the question marks, in their order; whatever was set the last time is forgotten.
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
        // Has SQLite copy what it is given (https://sqlite.org/c3ref/bind_blob.html).
        let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        switch self {
        // What is not bound is null.
        case .null: return SQLITE_OK
        case .integer(let number): return sqlite3_bind_int64(statement, place, number)
        case .real(let number): return sqlite3_bind_double(statement, place, number)
        case .text(var text):
            return text.withUTF8 { bytes in
                bytes.withMemoryRebound(to: CChar.self) { characters in
                    // An empty text has no address to speak of, and no address would be null.
                    let start = characters.baseAddress ?? UnsafePointer(bitPattern: 1)
                    return sqlite3_bind_text(statement, place, start, CInt(characters.count), copied)
                }
            }
        case .blob(let bytes):
            return bytes.withUnsafeBytes { sqlite3_bind_blob(statement, place, $0.baseAddress, CInt($0.count), copied) }
        }
    }
}
