package import TaskModel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The name of a lease for one account of one provider. One process at a time starts work under it.
///
/// Leases are per account and not per task, because batches need one poller and rates need one counter.
package struct LeaseName: Sendable, Hashable {
    package let text: String

    /// The lease of an account of a provider.
    package init(_ account: ProviderAccount) { text = "\(account.provider)/\(account.account)" }

    /// A stored name.
    package init(stored text: String) { self.text = text }

    /// The account, if the lease belongs to that provider; else nil.
    package func account(of provider: ProviderName) -> AccountName? {
        let beginning = "\(provider)/"
        return text.hasPrefix(beginning) ? AccountName(stored: String(text.dropFirst(beginning.count))) : nil
    }
}

/// The exclusive right of one process to start the work under a name.
package struct Lease: Sendable, Hashable {
    package let name: LeaseName
    /// The holder's name, for messages.
    package let holder: String
    package let token: LeaseToken
    /// When it expires; nil if it ends only when another process takes the instance lock.
    package let expiresAt: Timestamp?

    package init(name: LeaseName, holder: String, token: LeaseToken, expiresAt: Timestamp?) {
        self.name = name
        self.holder = holder
        self.token = token
        self.expiresAt = expiresAt
    }

    func isLive(at now: Timestamp) -> Bool { expiresAt.map { $0 > now } ?? true }
}

/// A process that holds leases.
package struct LeaseHolder: Sendable, Hashable {
    /// The process id, for messages.
    package let name: String
    package let token: LeaseToken

    package init(name: String, token: LeaseToken) {
        self.name = name
        self.token = token
    }

    /// This process, from its start to its end.
    package static let thisProcess = LeaseHolder(
        name: "process \(getpid())", token: LeaseToken(UInt128.random(in: UInt128.min...UInt128.max)))
}
