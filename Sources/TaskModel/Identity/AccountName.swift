/// The name of an account at a provider.
package struct AccountName: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The whole name.
    package let text: String

    /// Parses a name. The rule is that of ``ProviderName``.
    package init?(_ text: String) {
        guard let name = ProviderName(text) else { return nil }
        self.text = name.text
    }

    private init(unchecked text: String) { self.text = text }

    /// The one account that each provider has today.
    package static let `default` = AccountName(unchecked: "default")

    package var description: String { text }

    package static func < (left: Self, right: Self) -> Bool { left.text < right.text }
}
