/// The name of a service: `midjourney`, or `fal:kling` for providers other than the default one.
///
/// The endpoints of a service share one status route and one space of remote ids.
package struct ServiceName: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The whole name.
    package let text: String

    /// Parses a name. Nil if it is empty, longer than 128 bytes, or has characters other than letters, digits, `-`, `_`, `.`
    /// and the provider's `:`.
    package init?(_ text: String) {
        guard 1...128 ~= text.utf8.count, text.utf8.allSatisfy(EndpointName.isAllowed) else { return nil }
        self.text = text
    }

    /// The service of an endpoint, whose name has been checked.
    init(of endpoint: EndpointName) {
        let text = endpoint.text
        self.text = text.utf8.firstIndex(of: UInt8(ascii: "/")).map { String(text[..<$0]) } ?? text
    }

    package var description: String { text }

    package static func < (left: Self, right: Self) -> Bool { left.text < right.text }
}
