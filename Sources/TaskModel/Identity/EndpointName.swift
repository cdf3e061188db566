/// The name of a provider's submit operation: `midjourney/imagine`, or `replicate:predictions` for providers other
/// than the default one.
///
/// A task keeps this name even if a later version does not know the endpoint.
package struct EndpointName: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The whole name.
    package let text: String

    /// Parses `service/operation`, `service/operation/variant` or `provider:operation`. Nil if a part is empty or has
    /// characters other than letters, digits, `-`, `_`, `.` and the provider's `:`.
    package init?(_ text: String) {
        // Every row read from the store parses a name, so this works on bytes.
        let bytes = text.utf8
        let separator = bytes.contains(UInt8(ascii: "/")) ? UInt8(ascii: "/") : UInt8(ascii: ":")
        guard 3...128 ~= bytes.count else { return nil }
        var parts = 1
        var previous = separator
        for byte in bytes {
            guard byte == separator || Self.isAllowed(byte) else { return nil }
            if byte == separator {
                guard previous != separator else { return nil }
                parts += 1
            }
            previous = byte
        }
        guard parts >= 2, previous != separator else { return nil }
        self.text = text
    }

    /// The part before the slash, or the whole name without one. Its tasks share one status route and one space of
    /// remote ids.
    package var service: ServiceName { ServiceName(of: self) }

    /// The part after the slash, or after the provider.
    package var operation: String {
        String(text.drop { $0 != (text.contains("/") ? "/" : ":") }.dropFirst())
    }

    package var description: String { text }

    package static func < (left: Self, right: Self) -> Bool { left.text < right.text }

    static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
            UInt8(ascii: ":"):
            true
        default: false
        }
    }
}
