/// The name of an account at a provider.
package struct AccountName: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The whole name.
    package let text: String

    /// Parses a name. The rule is that of ``ProviderName``.
    package init?(_ text: String) {
        guard let name = ProviderName(text) else { return nil }
        self.text = name.text
    }

    /// A stored name, which was checked before it was stored.
    package init(stored text: String) { self.text = text }

    /// The account of a provider whose settings name no accounts.
    package static let `default` = AccountName(stored: "default")

    /// Stands for an account that an older copy of the database does not know. Its text is empty, so no account has
    /// this name.
    package static let unknown = AccountName(stored: "")

    package var description: String { text }

    package static func < (left: Self, right: Self) -> Bool { left.text < right.text }
}
