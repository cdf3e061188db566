/// The id of a task: a UUID of version 7 (RFC 9562), so that ids sort by creation time.
///
/// Written in lower case with hyphens.
package struct TaskID: Sendable, Hashable, Comparable, CustomStringConvertible {
    // Two words, because ids are compared and hashed far more often than they are written.
    private let high: UInt64
    private let low: UInt64

    /// Creates an id from the time and 74 random bits.
    package init(at now: Timestamp, using random: inout some RandomNumberGenerator) {
        let time = UInt64(clamping: now.milliseconds) & 0xffff_ffff_ffff
        // Masks whole random words, which is faster than drawing from a range.
        high = time << 16 | 0x7000 | random.next() & 0xfff
        low = 0x8000_0000_0000_0000 | random.next() & 0x3fff_ffff_ffff_ffff
    }

    /// Parses an id in either case; nil if it is invalid.
    package init?(_ text: String) {
        var text = text
        guard let id = text.withUTF8({ TaskID(characters: $0) }) else { return nil }
        self = id
    }

    /// Parses an id from bytes in memory.
    package init?(characters: UnsafeBufferPointer<UInt8>) {
        guard characters.count == 36 else { return nil }
        var words = (high: UInt64(0), low: UInt64(0))
        for index in characters.indices {
            let byte = characters[index]
            if Self.isHyphen(at: index) {
                guard byte == UInt8(ascii: "-") else { return nil }
            } else {
                guard let digit = Self.hexadecimal(byte) else { return nil }
                words = (words.high << 4 | words.low >> 60, words.low << 4 | digit)
            }
        }
        (high, low) = words
    }

    /// The id's 36 characters.
    package var text: String {
        String(unsafeUninitializedCapacity: 36) { characters in
            var nibble: UInt64 = 0
            for index in 0..<36 {
                if Self.isHyphen(at: index) {
                    characters[index] = UInt8(ascii: "-")
                } else {
                    let word = nibble < 16 ? high : low
                    let digit = UInt8(truncatingIfNeeded: word >> (60 - 4 * (nibble & 15)) & 0xf)
                    characters[index] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
                    nibble += 1
                }
            }
            return 36
        }
    }

    /// The number of bytes of an id.
    package static let byteCount = 16

    /// Creates an id from ``byteCount`` bytes in big-endian order.
    package init(bytes: some Collection<UInt8>) {
        precondition(bytes.count == Self.byteCount, "An id has 16 bytes.")
        high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        low = bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The 16 bytes in big-endian order.
    package var bytes: [UInt8] {
        [high, low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) } }
    }

    /// Whether a text could be the prefix of an id, with hyphens.
    package static func isPrefix(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 36
            && text.utf8.enumerated().allSatisfy { index, byte in
                isHyphen(at: index) ? byte == UInt8(ascii: "-") : hexadecimal(byte) != nil
            }
    }

    package var description: String { text }

    package static func < (left: Self, right: Self) -> Bool { (left.high, left.low) < (right.high, right.low) }

    private static func isHyphen(at index: Int) -> Bool { index == 8 || index == 13 || index == 18 || index == 23 }

    private static func hexadecimal(_ byte: UInt8) -> UInt64? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(byte - UInt8(ascii: "A")) + 10
        default: nil
        }
    }
}
