/// A value to bind to a statement.
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
