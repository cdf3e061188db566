import GRDB
import GRDBSQLite

/// Reads the columns of a row one after another.
///
/// A column with another type than requested reads as nil, zero or empty, and the query then throws
/// ``ColumnTypeError``. SQLite itself would convert it silently.
package struct ColumnReader {
    private let statement: SQLiteStatement
    private var index: CInt = 0
    /// The number of bytes of texts and blobs read.
    package private(set) var bytesRead = 0
    /// The first column that had another type.
    private var mismatch: ColumnTypeError?

    init(_ statement: SQLiteStatement) { self.statement = statement }

    package mutating func callAsFunction() -> Int64 { next(SQLITE_INTEGER).map { integer($0) } ?? 0 }
    package mutating func callAsFunction() -> Int { Int(self() as Int64) }
    package mutating func callAsFunction() -> Bool { (self() as Int64) != 0 }
    package mutating func callAsFunction() -> Double { next(SQLITE_FLOAT).map { real($0) } ?? 0 }
    package mutating func callAsFunction() -> String { next(SQLITE_TEXT).map { text($0) } ?? "" }
    package mutating func callAsFunction() -> [UInt8] { next(SQLITE_BLOB).map { blob($0) } ?? [] }

    package mutating func optional() -> Int64? { next(SQLITE_INTEGER, orNull: true).map { integer($0) } }
    package mutating func optional() -> Int? { (optional() as Int64?).map { Int($0) } }
    package mutating func optional() -> Double? { next(SQLITE_FLOAT, orNull: true).map { real($0) } }
    package mutating func optional() -> String? { next(SQLITE_TEXT, orNull: true).map { text($0) } }
    package mutating func optional() -> [UInt8]? { next(SQLITE_BLOB, orNull: true).map { blob($0) } }

    /// Passes the bytes of a text without creating a `String`.
    package mutating func withText<Value>(_ body: (UnsafeBufferPointer<UInt8>) -> Value?) -> Value? {
        next(SQLITE_TEXT).flatMap { body(characters($0)) }
    }

    /// Throws ``ColumnTypeError`` for the first column that had another type.
    func checkTypes() throws(ColumnTypeError) { if let mismatch { throw mismatch } }

    /// Moves to the next column; nil if it has another type. An integer counts as a real number.
    @inline(__always) private mutating func next(_ expected: CInt, orNull isOptional: Bool = false) -> CInt? {
        let column = index
        index += 1
        let found = sqlite3_column_type(statement, column)
        if found == expected || expected == SQLITE_FLOAT && found == SQLITE_INTEGER { return column }
        if !(isOptional && found == SQLITE_NULL) { noteMismatch(column, expected: expected, found: found) }
        return nil
    }

    @inline(never) private mutating func noteMismatch(_ column: CInt, expected: CInt, found: CInt) {
        guard mismatch == nil else { return }
        mismatch = ColumnTypeError(
            column: sqlite3_column_name(statement, column).map { String(cString: $0) } ?? "\(column)",
            expected: Self.name(of: expected), found: Self.name(of: found))
    }

    private func integer(_ column: CInt) -> Int64 { sqlite3_column_int64(statement, column) }
    private func real(_ column: CInt) -> Double { sqlite3_column_double(statement, column) }

    private mutating func text(_ column: CInt) -> String { String(decoding: characters(column), as: UTF8.self) }

    private mutating func characters(_ column: CInt) -> UnsafeBufferPointer<UInt8> {
        bytes(sqlite3_column_text(statement, column), of: column)
    }

    private mutating func blob(_ column: CInt) -> [UInt8] {
        let start = sqlite3_column_blob(statement, column)?.assumingMemoryBound(to: UInt8.self)
        return Array(bytes(start, of: column))
    }

    private mutating func bytes(_ start: UnsafePointer<UInt8>?, of column: CInt) -> UnsafeBufferPointer<UInt8> {
        let bytes = UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column)))
        bytesRead += bytes.count
        return bytes
    }

    /// SQL's name of a type.
    private static func name(of type: CInt) -> String {
        switch type {
        case SQLITE_INTEGER: "INTEGER"
        case SQLITE_FLOAT: "REAL"
        case SQLITE_TEXT: "TEXT"
        case SQLITE_BLOB: "BLOB"
        default: "NULL"
        }
    }
}

/// A column has another type than the code that reads it expects.
package struct ColumnTypeError: Error, Hashable, CustomStringConvertible {
    package let column: String
    package let expected: String
    package let found: String

    package var description: String { "the column \(column) has \(found), not \(expected)" }
}
