/// The current row of a statement. The columns are numbered from 0.
///
/// A conforming type must fit into three words and hold no reference, so that a ``ColumnReader`` of it needs no memory
/// from the heap.
package protocol ColumnSource {
    /// The type of the value in that column.
    func type(of column: Int) -> ColumnType
    /// The value of a column of type ``ColumnType/integer``.
    func integer(_ column: Int) -> Int64
    /// The value of a column of type ``ColumnType/real`` or ``ColumnType/integer``.
    func real(_ column: Int) -> Double
    /// The UTF-8 of a column of type ``ColumnType/text``. It is valid until the statement moves to the next row.
    func text(_ column: Int) -> UnsafeBufferPointer<UInt8>
    /// The bytes of a column of type ``ColumnType/blob``. They are valid until the statement moves to the next row.
    func blob(_ column: Int) -> UnsafeBufferPointer<UInt8>
    /// The name of the column, for errors.
    func name(of column: Int) -> String
}

/// The type of a value, by SQL's name in SQLite. A Boolean of PostgreSQL is an integer.
package enum ColumnType: String, Sendable {
    case null = "NULL"
    case integer = "INTEGER"
    case real = "REAL"
    case text = "TEXT"
    case blob = "BLOB"
}
