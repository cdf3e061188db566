package import ProviderCatalog
import Synchronization
package import TaskModel
import TaskStore

/// An account of a provider in the settings.
package struct Account: Sendable, Hashable {
    package let name: AccountName
    /// Whether it has credentials, or the provider needs none.
    package let hasToken: Bool
    /// The maximum number of its tasks in flight, over all services; nil for no limit.
    package let maxInFlight: Int?

    package init(_ name: AccountName = .default, hasToken: Bool = true, maxInFlight: Int? = nil) {
        self.name = name
        self.hasToken = hasToken
        self.maxInFlight = maxInFlight
    }
}

/// The accounts of each provider, in the order of the settings.
struct ProviderAccounts: Sendable {
    /// The accounts of a provider; at least one.
    let of: @Sendable (ProviderName) -> [Account]
    let former = FormerAccounts()

    /// The account with that name; nil if the settings have none.
    func account(_ wanted: ProviderAccount) -> Account? {
        of(wanted.provider).first { $0.name == wanted.account }
    }

    /// The account with the name that a person gave.
    func account(named name: String, of provider: ProviderName) throws(TaskServiceError) -> AccountName {
        let known = of(provider).map(\.name)
        guard let account = known.first(where: { $0.text == name }) else {
            throw .invalidField(
                "account",
                problem:
                    "\(provider) has no account \"\(name)\". It has \(known.map(\.text).joined(separator: ", "))")
        }
        return account
    }

    /// Whether requests by that account can be sent.
    func canSend(by account: ProviderAccount) -> Bool { self.account(account)?.hasToken ?? false }

    /// The number of open tasks that wait for accounts which the settings no longer contain.
    func gone(in counts: [TaskCount], _ catalog: ProviderCatalog) -> [(owner: ProviderAccount, count: Int)] {
        var gone: [ProviderAccount: Int] = [:]
        for count in counts where !count.state.hasEnded && count.state != .queued && count.account != .unknown {
            guard let profile = catalog.endpoint(count.endpoint) else { continue }
            let owner = ProviderAccount(provider: profile.provider, account: count.account)
            if account(owner) == nil { gone[owner, default: 0] += count.count }
        }
        return gone.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// The default account of a provider's tasks.
    func first(of provider: ProviderName) -> AccountName { of(provider).first?.name ?? .default }
}

/// The accounts for which earlier processes held leases. The settings may no longer contain them.
final class FormerAccounts: Sendable {
    private let ends = Mutex<[LeaseName: Timestamp]>([:])

    /// Stores when each lease ended.
    func set(_ ends: [LeaseName: Timestamp]) { self.ends.withLock { $0 = ends } }

    /// The accounts of the provider that were used at that time or later.
    func used(of provider: ProviderName, since: Timestamp) -> [AccountName] {
        ends.withLock { ends in
            ends.filter { $0.value >= since }.compactMap { name, _ in name.account(of: provider) }.sorted()
        }
    }
}

/// An endpoint as one account uses it. Leases, pauses, breakers, rates and places in flight belong to it.
package struct AccountEndpoint: Sendable {
    package let profile: EndpointProfile
    let account: AccountName

    init(_ profile: EndpointProfile, of account: AccountName) {
        self.profile = profile
        self.account = account
    }

    var name: EndpointName { profile.name }
    var owner: ProviderAccount { ProviderAccount(provider: profile.provider, account: account) }
    package var service: AccountService { AccountService(profile.name.service, of: account) }
    var lease: LeaseName { LeaseName(owner) }

    /// The breaker of its paid requests.
    var submissions: CircuitKey { .submissions(name, account) }
    /// The breaker of its status queries.
    var polls: CircuitKey { .polls(service) }
}

extension EndpointProfile {
    /// The account of a task of this endpoint.
    func owner(of task: TrackedTask) -> ProviderAccount { ProviderAccount(provider: provider, account: task.account) }
}
