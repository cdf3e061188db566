/// Our name for a task: a UUID of version 7 (RFC 9562), so that ids sort by the time they were made.
///
/// Written in lower case with hyphens.
package struct TaskID: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The 36 characters.
    package let text: String

    /// Makes a new id from the time and 74 random bits.
    package init(at now: Timestamp, using random: inout some RandomNumberGenerator) {
        let time = UInt64(clamping: now.milliseconds) & 0xffff_ffff_ffff
        let high = time << 16 | 0x7000 | UInt64.random(in: 0...0xfff, using: &random)
        let low = 0x8000_0000_0000_0000 | UInt64.random(in: 0...0x3fff_ffff_ffff_ffff, using: &random)
        let digits = Self.hexadecimal(high) + Self.hexadecimal(low)
        text = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32]
            .map { String(decoding: digits[$0], as: UTF8.self) }.joined(separator: "-")
    }

    /// Reads an id as a person or program wrote it, in either case; nil if it is none.
    package init?(_ text: String) {
        guard text.utf8.count == 36 else { return nil }
        var hasUppercase = false
        for (index, byte) in text.utf8.enumerated() {
            if index == 8 || index == 13 || index == 18 || index == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
            } else {
                let isUppercase = (UInt8(ascii: "A")...UInt8(ascii: "F")).contains(byte)
                guard isUppercase || Self.isHexadecimal(byte) else { return nil }
                hasUppercase = hasUppercase || isUppercase
            }
        }
        self.text = hasUppercase ? text.lowercased() : text
    }

    /// Whether a text could be the beginning of an id, hyphens included.
    package static func isPrefix(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 36
            && text.lowercased().utf8.enumerated().allSatisfy { index, byte in
                [8, 13, 18, 23].contains(index) ? byte == UInt8(ascii: "-") : isHexadecimal(byte)
            }
    }

    package var description: String { text }

    package static func < (left: Self, right: Self) -> Bool { left.text < right.text }

    private static func hexadecimal(_ value: UInt64) -> [UInt8] {
        (0..<16).map { place in
            let digit = UInt8(truncatingIfNeeded: value >> UInt64(60 - 4 * place) & 0xf)
            return digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
        }
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }
}
