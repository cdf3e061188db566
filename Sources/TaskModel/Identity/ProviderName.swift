/// The name of a provider, as its definition gives it: `xhuoapi`.
package struct ProviderName: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The whole name.
    package let text: String

    /// Parses a name. Nil unless it has at most 32 small letters, digits and hyphens, and begins with a letter.
    package init?(_ text: String) {
        guard text.utf8.count <= 32, let first = text.utf8.first, Self.isLetter(first),
            text.utf8.allSatisfy({ byte in
                Self.isLetter(byte) || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || byte == UInt8(ascii: "-")
            })
        else { return nil }
        self.text = text
    }

    private init(unchecked text: String) { self.text = text }

    /// The provider of an endpoint that no definition describes. Its text is empty, so no provider has this name.
    package static let undefined = ProviderName(unchecked: "")

    package var description: String { text }

    package static func < (left: Self, right: Self) -> Bool { left.text < right.text }

    private static func isLetter(_ byte: UInt8) -> Bool { UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte }
}
