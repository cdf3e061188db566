/// The name of one submit operation of a provider: `midjourney/imagine`, or `replicate:predictions` where the provider is
/// not the default one.
///
/// A task keeps this name even when a later version no longer knows the endpoint.
package struct EndpointName: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The whole name.
    package let text: String

    /// Reads `service/operation`, `service/operation/variant` and so on, or `provider:operation`; nil if a part is empty
    /// or has other characters than letters, digits, `-`, `_`, `.` and, for the provider in front, `:`.
    package init?(_ text: String) {
        let parts = text.split(separator: text.contains("/") ? "/" : ":", omittingEmptySubsequences: false)
        guard parts.count >= 2, text.utf8.count <= 128,
            parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(Self.isAllowed) })
        else { return nil }
        self.text = text
    }

    /// What stands before the slash, or all of it where there is none; its tasks share one status route and one space
    /// of remote ids.
    package var service: String { String(text.prefix { $0 != "/" }) }

    /// What stands behind the slash, else behind the provider.
    package var operation: String {
        String(text.drop { $0 != (text.contains("/") ? "/" : ":") }.dropFirst())
    }

    package var description: String { text }

    package static func < (left: Self, right: Self) -> Bool { left.text < right.text }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        let character = Character(Unicode.Scalar(byte))
        return character.isASCII && (character.isLetter || character.isNumber || "-_.:".contains(character))
    }
}
