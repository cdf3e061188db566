package import TaskModel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The name of a lease. One process at a time starts the work under it.
///
/// Leases are per account and not per task, because batches need one poller and rates need one counter. Work that belongs
/// to no account has leases of its own, whose names begin with a character that no provider has in its name.
package struct LeaseName: Sendable, Hashable {
    package let text: String

    /// The lease of an account of a provider.
    package init(_ account: ProviderAccount) { text = "\(account.provider)/\(account.account)" }

    /// A stored name.
    package init(stored text: String) { self.text = text }

    /// The lease of a destination of notifications.
    package init(_ destination: DestinationName) { text = "@destination/\(destination)" }

    /// The lease that a process of a shared store renews as long as it runs.
    package init(processOf token: LeaseToken) {
        text = Self.processes + token.text
    }

    private static let processes = "@process/"
    /// Whether it belongs to one process, so that no other one takes it over.
    var isOfProcess: Bool { text.hasPrefix(Self.processes) }

    /// Ends tasks at their deadlines, and moves due times after a change of the clock.
    package static let deadlines = LeaseName(stored: "@deadlines")
    /// Removes old tasks and details.
    package static let retention = LeaseName(stored: "@retention")
    /// Compares the providers' lists with the tasks.
    package static let reconciliation = LeaseName(stored: "@reconciliation")
    /// Fetches and removes the files of results.
    package static let artefacts = LeaseName(stored: "@artefacts")

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
    /// When it expires, by the database's clock; nil if it ends only when another process takes the instance lock.
    package let expiresAt: Timestamp?

    /// How long a lease lasts without renewal, in a store that several processes use. It bounds how long work waits after
    /// a process has died.
    package static let term = Duration.seconds(15)
    /// The time between two renewals. Two may fail before the lease expires.
    package static let renewalInterval = Duration.seconds(5)
    /// A process starts nothing in the last part of the term. It covers the time from the last look at the clock to the
    /// first byte of a request.
    package static let margin = Duration.seconds(3)

    package init(name: LeaseName, holder: String, token: LeaseToken, expiresAt: Timestamp?) {
        self.name = name
        self.holder = holder
        self.token = token
        self.expiresAt = expiresAt
    }

    func isLive(at now: Timestamp) -> Bool { expiresAt.map { $0 > now } ?? true }
}

/// A lease that another process holds.
package struct HeldLease: Sendable, Hashable {
    package let name: LeaseName
    /// The holder's name, for messages.
    package let holder: String
    /// How long it still lasts unless its holder renews it; nil if it does not expire.
    package let endsIn: Duration?
}

/// What became of an attempt to acquire leases. All of them are ours now, except those that another process holds.
package struct AcquiredLeases: Sendable, Hashable {
    package let held: [HeldLease]
    /// Those that were ours before, and had not expired.
    package let renewed: Set<LeaseName>
    /// The fates of exchanges that were stored with them.
    package internal(set) var fates: [ExchangeFate] = []
}

/// A process that holds leases.
package struct LeaseHolder: Sendable, Hashable {
    /// The process and its machine, for messages.
    package let name: String
    package let token: LeaseToken

    package init(name: String, token: LeaseToken) {
        self.name = name
        self.token = token
    }

    private static var hostName: String {
        var bytes = [CChar](repeating: 0, count: 256)
        guard gethostname(&bytes, bytes.count - 1) == 0 else { return "a machine without a name" }
        return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// This process, from its start to its end.
    package static let thisProcess = LeaseHolder(
        name: "process \(getpid()) on \(hostName)", token: LeaseToken(UInt128.random(in: UInt128.min...UInt128.max)))
}
