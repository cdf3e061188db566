/// The unit of an amount: a currency such as `USD`, or what a provider sells, such as `credits`.
///
/// Amounts of different units are never added or compared.
package struct MoneyUnit: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let text: String

    /// Parses a name. Nil unless it has 1 to 16 ASCII letters, digits, hyphens and underscores.
    package init?(_ text: String) {
        guard 1...16 ~= text.utf8.count, text.utf8.allSatisfy(Self.isNameByte) else { return nil }
        self.text = text
    }

    package var description: String { text }

    package static func < (left: Self, right: Self) -> Bool { left.text < right.text }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        let character = Character(Unicode.Scalar(byte))
        return character.isASCII && (character.isLetter || character.isNumber || "-_".contains(character))
    }
}

/// An amount in millionths of its unit.
package struct Amount: Sendable, Hashable, CustomStringConvertible {
    package var micros: Int64
    package let unit: MoneyUnit

    package init(micros: Int64, unit: MoneyUnit) {
        self.micros = micros
        self.unit = unit
    }

    /// `0.04 USD`.
    package var description: String { "\(Micros.text(micros)) \(unit)" }
}

/// Converts decimal numbers to millionths and back. No conversion uses floating point.
package enum Micros {
    /// The largest amount: a thousand million units. Sums of a year of such amounts fit into 64 bits.
    package static let most: Int64 = 1_000_000_000_000_000

    /// The decimal number: `0.04`, `-2`, `1.5`.
    package static func text(_ micros: Int64) -> String {
        let (whole, rest) = micros.magnitude.quotientAndRemainder(dividingBy: 1_000_000)
        var digits = String(rest)
        digits = String(repeating: "0", count: 6 - digits.count) + digits
        while digits.last == "0" { digits.removeLast() }
        return (micros < 0 ? "-" : "") + String(whole) + (digits.isEmpty ? "" : "." + digits)
    }

    /// Reads a decimal number that is not negative; nil for anything else, and for one beyond ``most``.
    ///
    /// What is finer than a millionth is rounded up, or makes the number invalid.
    package static func reading(_ text: String, roundingUp: Bool = false) -> Int64? {
        let parts = text.split(omittingEmptySubsequences: false) { $0 == "e" || $0 == "E" }
        guard let mantissa = parts.first, parts.count <= 2, text.utf8.count <= 64,
            let power = parts.count == 2 ? Int(parts[1]) : 0, abs(power) <= 64
        else { return nil }
        let halves = mantissa.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let fraction = halves.count == 2 ? halves[1] : ""
        guard let whole = halves.first, !whole.isEmpty, halves.count == 1 || !fraction.isEmpty else { return nil }
        let digits = (whole + fraction).drop { $0 == "0" }
        guard (whole + fraction).allSatisfy({ $0.isASCII && $0.isNumber }), digits.count <= 30,
            var value = digits.isEmpty ? 0 : Int128(digits)
        else { return nil }
        var shift = 6 - fraction.count + power
        while shift > 0, value > 0 {
            guard value <= Int128(most) else { return nil }
            value *= 10
            shift -= 1
        }
        var isExact = true
        while shift < 0, value > 0 {
            let (quotient, remainder) = value.quotientAndRemainder(dividingBy: 10)
            isExact = isExact && remainder == 0
            value = quotient
            shift += 1
            if value == 0, !isExact { break }
        }
        guard isExact || roundingUp else { return nil }
        value += isExact ? 0 : 1
        return value <= Int128(most) ? Int64(value) : nil
    }

    /// The product of an amount and a number that is given in millionths, rounded up; nil beyond ``most``.
    package static func product(_ micros: Int64, _ number: Int64) -> Int64? {
        let (quotient, remainder) = (Int128(micros) * Int128(number)).quotientAndRemainder(dividingBy: 1_000_000)
        let product = quotient + (remainder > 0 ? 1 : 0)
        return product <= Int128(most) ? Int64(product) : nil
    }
}
