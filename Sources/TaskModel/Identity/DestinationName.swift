/// The name of a destination of notifications, as the settings give it: `backend`.
package struct DestinationName: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The whole name.
    package let text: String

    /// Parses a name. Nil unless it has at most 64 small letters, digits, hyphens and underscores, and begins with a letter.
    package init?(_ text: String) {
        guard text.utf8.count <= 64, let first = text.utf8.first, Self.isLetter(first),
            text.utf8.allSatisfy({ byte in
                Self.isLetter(byte) || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || "-_".utf8.contains(byte)
            })
        else { return nil }
        self.text = text
    }

    package var description: String { text }

    package static func < (left: Self, right: Self) -> Bool { left.text < right.text }

    private static func isLetter(_ byte: UInt8) -> Bool { UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte }
}
