/// A JSON number as its digits were written.
package struct JSONNumber: Sendable, Hashable {
    /// The digits, exactly as read: `1.0` and `1` differ here.
    package let digits: String

    /// Takes digits that the parser has found to be a JSON number.
    init(validated digits: String) {
        self.digits = digits
    }

    /// A whole number.
    package init(_ value: some BinaryInteger) {
        digits = String(value)
    }

    /// A finite number; the shortest digits that read back to the same value. Nil for NaN and infinities, which JSON
    /// cannot say.
    package init?(_ value: Double) {
        guard value.isFinite else { return nil }
        digits = value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\(value)"
    }

    /// The value if it is whole and fits, also when written as `3.0` or `3e2`.
    package var integer: Int64? {
        if let exact = Int64(digits) { return exact }
        return Double(digits).flatMap { Int64(exactly: $0) }
    }

    /// The nearest double; nil where it would be infinite.
    package var double: Double? {
        Double(digits).flatMap { $0.isFinite ? $0 : nil }
    }

    /// Whether both stand for the same number, however written.
    package func isEqualInValue(to other: JSONNumber) -> Bool {
        if digits == other.digits { return true }
        if let left = Int64(digits), let right = Int64(other.digits) { return left == right }
        if let left = double, let right = other.double { return left == right }
        return false
    }
}
