/// A JSON number with its original digits.
package struct JSONNumber: Sendable, Hashable {
    /// The digits as read: `1.0` and `1` differ.
    package let digits: String

    /// Takes digits that the parser has validated.
    init(validated digits: String) {
        self.digits = digits
    }

    /// An integer.
    package init(_ value: some BinaryInteger) {
        digits = String(value)
    }

    /// A finite number with the shortest digits that parse to the same value. Nil for NaN and infinities, which JSON
    /// lacks.
    package init?(_ value: Double) {
        guard value.isFinite else { return nil }
        digits = value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\(value)"
    }

    /// The value if it is a whole number in range, also for `3.0` or `3e2`.
    package var integer: Int64? {
        if let exact = Int64(digits) { return exact }
        return Double(digits).flatMap { Int64(exactly: $0) }
    }

    /// The nearest double; nil if it would be infinite.
    package var double: Double? {
        Double(digits).flatMap { $0.isFinite ? $0 : nil }
    }

    /// The exact canonical form: `1.0`, `1e0` and `1` give `1`, and different values give different digits.
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
        // Written as a whole number unless that is long.
        if (0...18).contains(exponent) {
            figures += String(repeating: "0", count: exponent)
            exponent = 0
        }
        return (mantissa.first == "-" ? "-" : "") + figures + (exponent == 0 ? "" : "e\(exponent)")
    }

    /// Whether both have the same value, however written.
    package func isEqualInValue(to other: JSONNumber) -> Bool {
        if digits == other.digits { return true }
        if let left = Int64(digits), let right = Int64(other.digits) { return left == right }
        if let left = double, let right = other.double { return left == right }
        return false
    }
}
