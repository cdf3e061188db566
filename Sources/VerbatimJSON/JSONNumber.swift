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

    /// The number written in one way, exactly: `1.0`, `1e0` and `1` give `1`, and no two numbers give the same.
    package var canonicalDigits: String {
        let parts = digits.split(separator: "e", maxSplits: 1, omittingEmptySubsequences: false)
        let written = parts.count == 1 ? digits.split(separator: "E", maxSplits: 1) : parts
        guard let mantissa = written.first, let power = written.count == 2 ? Int(written[1]) : 0 else { return digits }
        let halves = mantissa.drop { $0 == "-" }.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let fraction = halves.count == 2 ? halves[1] : ""
        var figures = (String(halves[0]) + fraction).drop { $0 == "0" }
        guard !figures.isEmpty else { return "0" }
        guard figures.allSatisfy(\.isNumber), abs(power) < Int.max / 2 else { return digits }
        var exponent = power - fraction.count
        while figures.last == "0" {
            figures.removeLast()
            exponent += 1
        }
        // As whole numbers are written, unless that is long.
        if (0...18).contains(exponent) {
            figures += String(repeating: "0", count: exponent)
            exponent = 0
        }
        return (mantissa.first == "-" ? "-" : "") + figures + (exponent == 0 ? "" : "e\(exponent)")
    }

    /// Whether both stand for the same number, however written.
    package func isEqualInValue(to other: JSONNumber) -> Bool {
        if digits == other.digits { return true }
        if let left = Int64(digits), let right = Int64(other.digits) { return left == right }
        if let left = double, let right = other.double { return left == right }
        return false
    }
}
