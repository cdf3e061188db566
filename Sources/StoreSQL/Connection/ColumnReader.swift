/// Reads the columns of a row one after another.
///
/// A column with another type than requested reads as nil, zero or empty, and the query then throws
/// ``ColumnTypeError``. SQLite itself would convert it silently.
package struct ColumnReader {
    private let row: any ColumnSource
    private var index = 0
    /// The number of bytes of texts and blobs read.
    package private(set) var bytesRead = 0
    /// The first column that had another type.
    private var mismatch: ColumnTypeError?

    package init(_ row: some ColumnSource) { self.row = row }

    package mutating func callAsFunction() -> Int64 { next(.integer).map { row.integer($0) } ?? 0 }
    package mutating func callAsFunction() -> Int { Int(self() as Int64) }
    package mutating func callAsFunction() -> Bool { (self() as Int64) != 0 }
    package mutating func callAsFunction() -> Double { next(.real).map { row.real($0) } ?? 0 }
    package mutating func callAsFunction() -> String { next(.text).map { text($0) } ?? "" }
    package mutating func callAsFunction() -> [UInt8] { next(.blob).map { blob($0) } ?? [] }

    package mutating func optional() -> Int64? { next(.integer, orNull: true).map { row.integer($0) } }
    package mutating func optional() -> Int? { (optional() as Int64?).map { Int($0) } }
    package mutating func optional() -> Double? { next(.real, orNull: true).map { row.real($0) } }
    package mutating func optional() -> String? { next(.text, orNull: true).map { text($0) } }
    package mutating func optional() -> [UInt8]? { next(.blob, orNull: true).map { blob($0) } }

    /// The value of the next column, of any type.
    package mutating func value() -> ColumnValue {
        let column = index
        index += 1
        return switch row.type(of: column) {
        case .null: .null
        case .integer: .integer(row.integer(column))
        case .real: .real(row.real(column))
        case .text: .text(text(column))
        case .blob: .blob(blob(column))
        }
    }

    /// Passes the bytes of a text without creating a `String`.
    package mutating func withText<Value>(_ body: (UnsafeBufferPointer<UInt8>) -> Value?) -> Value? {
        next(.text).flatMap { body(counted(row.text($0))) }
    }

    /// Throws ``ColumnTypeError`` for the first column that had another type.
    func checkTypes() throws(ColumnTypeError) { if let mismatch { throw mismatch } }

    /// Moves to the next column; nil if it has another type. An integer counts as a real number.
    @inline(__always) private mutating func next(_ expected: ColumnType, orNull isOptional: Bool = false) -> Int? {
        let column = index
        index += 1
        let found = row.type(of: column)
        if found == expected || expected == .real && found == .integer { return column }
        if !(isOptional && found == .null) { noteMismatch(column, expected: expected, found: found) }
        return nil
    }

    @inline(never) private mutating func noteMismatch(_ column: Int, expected: ColumnType, found: ColumnType) {
        guard mismatch == nil else { return }
        mismatch = ColumnTypeError(
            column: row.name(of: column), expected: expected.rawValue, found: found.rawValue)
    }

    private mutating func text(_ column: Int) -> String { String(decoding: counted(row.text(column)), as: UTF8.self) }

    private mutating func blob(_ column: Int) -> [UInt8] { Array(counted(row.blob(column))) }

    private mutating func counted(_ bytes: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        bytesRead += bytes.count
        return bytes
    }
}

/// A column has another type than the code that reads it expects.
package struct ColumnTypeError: Error, Hashable, CustomStringConvertible {
    package let column: String
    package let expected: String
    package let found: String

    package var description: String { "the column \(column) has \(found), not \(expected)" }
}
