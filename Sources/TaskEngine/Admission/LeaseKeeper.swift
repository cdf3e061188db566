import Synchronization
import TaskModel
import TaskStore

/// Acquires the leases of the accounts that have work, and remembers those that another process holds.
///
/// It saves reads of the store. The check in the transaction of each claim decides.
final class LeaseKeeper: Sendable {
    private enum Knowledge {
        case ours
        case held(by: String, until: Timestamp)
    }

    private let known = Mutex<[ProviderAccount: Knowledge]>([:])
    private let store: TaskStore
    private let time: any TimeSource

    /// How long to wait before trying to acquire a lease again that another process holds.
    private static let retryAfter = Duration.seconds(5)

    init(_ store: TaskStore, time: any TimeSource) {
        self.store = store
        self.time = time
    }

    /// Whether it is too early to try again. A clock that was set back does not prolong the wait.
    private static func isWaiting(_ until: Timestamp, at now: Timestamp) -> Bool {
        until > now && until - now <= retryAfter
    }

    /// What blocks all work of an account; nil if another process is not known to hold its lease.
    func block(on account: ProviderAccount, at now: Timestamp) -> SubmissionBlock? {
        guard case .held(let holder, let until) = known.withLock({ $0[account] }), Self.isWaiting(until, at: now)
        else { return nil }
        return .leaseHeld(account, holder: holder, until: until)
    }

    /// The accounts of the provider whose leases are known to be ours.
    func held(of provider: ProviderName) -> [AccountName] {
        known.withLock { known in
            known.compactMap { account, knowledge in
                if account.provider == provider, case .ours = knowledge { account.account } else { nil }
            }
        }
    }

    /// Acquires the leases of these accounts, except those known to be ours or held by another process.
    func acquire(_ accounts: some Sequence<ProviderAccount>, at now: Timestamp) async throws(TaskStoreError) {
        let missing = known.withLock { known in
            Set(accounts).filter { account in
                switch known[account] {
                case .ours: false
                case .held(_, let until): !Self.isWaiting(until, at: now)
                case nil: true
                }
            }
        }.sorted()
        guard !missing.isEmpty else { return }
        let held = try await store.acquire(missing.map { LeaseName($0) }, at: now)
        known.withLock { known in
            for account in missing {
                let other = held.first { $0.name == LeaseName(account) }
                known[account] = other.map { .held(by: $0.holder, until: now + Self.retryAfter) } ?? .ours
            }
        }
    }

    /// Records that another process has taken over the lease of an account.
    func lose(_ account: ProviderAccount, to holder: String) {
        let now = time.now()
        known.withLock { $0[account] = .held(by: holder, until: now + Self.retryAfter) }
    }
}
