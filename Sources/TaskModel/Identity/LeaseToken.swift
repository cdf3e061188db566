/// The random number that identifies one holder of leases.
///
/// It has 128 bits, so two holders do not draw the same number. A counter could repeat: a restored database or a
/// fail-over sets it back.
package struct LeaseToken: Sendable, Hashable {
    private let value: UInt128

    package init(_ value: UInt128) { self.value = value }

    /// The token with these 16 bytes; nil if there are more or fewer.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        value = bytes.reduce(0) { $0 << 8 | UInt128($1) }
    }

    /// The upper half of the marks of exchanges of the gateway that arrive at this process.
    package var exchangeHalf: UInt32 {
        UInt32(truncatingIfNeeded: value ^ value >> 32 ^ value >> 64 ^ value >> 96)
    }

    /// The token with that text; nil if it is not 32 hexadecimal digits.
    package init?(text: String) {
        guard text.utf8.count == 32, let value = UInt128(text, radix: 16) else { return nil }
        self.value = value
    }

    /// 32 hexadecimal digits.
    package var text: String { bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }

    package var bytes: [UInt8] { (0..<16).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
}
