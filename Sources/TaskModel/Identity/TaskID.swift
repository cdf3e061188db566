/// Our name for a task: a UUID of version 7 (RFC 9562), so that ids sort by the time they were made.
///
/// Written in lower case with hyphens.
package struct TaskID: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The 36 characters.
    package let text: String

    /// Makes a new id from the time and 74 random bits.
    package init(at now: Timestamp, using random: inout some RandomNumberGenerator) {
        let time = UInt64(clamping: now.milliseconds) & 0xffff_ffff_ffff
        // Whole words of the generator, of which bits are masked off: a range would have to be drawn for.
        let high = time << 16 | 0x7000 | random.next() & 0xfff
        let low = 0x8000_0000_0000_0000 | random.next() & 0x3fff_ffff_ffff_ffff
        text = String(unsafeUninitializedCapacity: 36) { characters in
            var place = 0
            for nibble in 0..<32 {
                if nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20 {
                    characters[place] = UInt8(ascii: "-")
                    place += 1
                }
                let word = nibble < 16 ? high : low
                let digit = UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * (nibble & 15)) & 0xf)
                characters[place] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
                place += 1
            }
            return place
        }
    }

    /// Reads an id as a person or program wrote it, in either case; nil if it is none.
    package init?(_ text: String) {
        guard text.utf8.count == 36 else { return nil }
        var text = text
        // Where every character stands in memory: each row that is read comes by here.
        guard let hasUppercase = text.withUTF8({ Self.hasUppercase($0) }) else { return nil }
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

    /// Nil where the 36 characters are no id.
    private static func hasUppercase(_ characters: UnsafeBufferPointer<UInt8>) -> Bool? {
        var hasUppercase = false
        for index in characters.indices {
            let byte = characters[index]
            if index == 8 || index == 13 || index == 18 || index == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
            } else {
                let isUppercase = (UInt8(ascii: "A")...UInt8(ascii: "F")).contains(byte)
                guard isUppercase || isHexadecimal(byte) else { return nil }
                hasUppercase = hasUppercase || isUppercase
            }
        }
        return hasUppercase
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }
}
