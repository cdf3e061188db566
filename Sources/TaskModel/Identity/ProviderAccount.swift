/// One account at one provider. Credentials, rates, pauses and leases belong to it.
package struct ProviderAccount: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let provider: ProviderName
    package let account: AccountName

    package init(provider: ProviderName, account: AccountName = .default) {
        self.provider = provider
        self.account = account
    }

    /// `provider xhuoapi`, or `account second of xhuoapi`.
    package var description: String {
        account == .default ? "provider \(provider)" : "account \(account) of \(provider)"
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.provider, left.account) < (right.provider, right.account)
    }
}

/// A service as one account uses it. Its tasks are polled and looked up together.
package struct AccountService: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let service: ServiceName
    package let account: AccountName

    package init(_ service: ServiceName, of account: AccountName = .default) {
        self.service = service
        self.account = account
    }

    /// `suno`, or `suno (account second)`.
    package var description: String {
        account == .default || account == .unknown ? "\(service)" : "\(service) (account \(account))"
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.service, left.account) < (right.service, right.account)
    }
}
