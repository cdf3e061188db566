import ProviderCatalog
import Synchronization
import TaskModel
import TaskStore

/// Acquires and renews the leases under which this process starts work, and remembers those that another process holds.
///
/// It saves reads of the store, and stops work in time: a lease ends here some seconds before it expires in the database.
/// The check in the transaction of each claim decides.
final class LeaseKeeper: Sendable {
    private enum Knowledge: Equatable {
        /// Work may start until then; without an end if leases do not expire. A lease that had expired before it was acquired
        /// again is another term.
        case ours(until: Duration?, term: Int)
        case held(by: String, until: Duration)
    }

    /// What keeps this process from starting work under a lease.
    struct Wait {
        /// The process that holds the lease; nil if it is ours and has to be renewed.
        let holder: String?
        let until: Timestamp
    }

    private struct State {
        /// All times are those of the monotonic clock, which also runs while the machine sleeps. So neither a clock that
        /// was set nor a machine that stood still can prolong a lease.
        var known: [LeaseName: Knowledge] = [:]
        var renewedAt: Duration?
        /// Counts the terms of all leases.
        var terms = 0
        /// Counts how often all leases were forgotten. Answers to questions from before count no more.
        var forgotten = 0
        /// The leases that are being acquired or renewed. Each is asked for once at a time, because two answers about it could
        /// arrive in the wrong order.
        var asked: Set<LeaseName> = []
    }

    private let state = Mutex(State())
    /// What is stored with each renewal, for the other processes.
    private let fates = Mutex<ExchangeFates?>(nil)
    private let store: TaskStore
    private let time: any TimeSource
    /// See ``EngineLimits/leasesCountFromReply``.
    private let countsFromReply: Bool

    /// How long to wait for an answer to another caller.
    private static let whileAsked = Duration.milliseconds(200)
    /// How long to wait before trying to acquire a lease again that does not expire, or that could not be renewed.
    private static let retryAfter = Duration.seconds(5)

    init(_ store: TaskStore, time: any TimeSource, countsFromReply: Bool = false) {
        self.store = store
        self.time = time
        self.countsFromReply = countsFromReply
    }

    /// Has each renewal store what became of replies of the gateway.
    func store(_ fates: ExchangeFates) { self.fates.withLock { $0 = fates } }

    /// Whether other processes may use the store at the same time.
    var isShared: Bool { store.leaseTerm != nil }

    // MARK: Questions

    /// What blocks all work of an account; nil if no lease is known to forbid it.
    func block(on account: ProviderAccount, at now: Timestamp) -> SubmissionBlock? {
        wait(for: LeaseName(account), at: now).map { .leaseHeld(account, holder: $0.holder, until: $0.until) }
    }

    /// The permit for a request under the lease as we have it now. Take it before the claim.
    ///
    /// It ends with the lease, and does not come back with a later one: another process may have sent the task in between.
    func permit(under name: LeaseName) -> SendPermit {
        guard isShared else { return SendPermit() }
        guard case .ours(_, let term) = knowledge(of: name) else { return SendPermit { false } }
        return SendPermit { [self] in
            guard case .ours(let until?, term) = knowledge(of: name) else { return false }
            return time.elapsed() < until
        }
    }

    private func knowledge(of name: LeaseName) -> Knowledge? { state.withLock { $0.known[name] } }

    /// What keeps this process from starting work under the lease; nil if nothing is known to.
    private func wait(for name: LeaseName, at now: Timestamp) -> Wait? {
        let (known, isAsked) = state.withLock { ($0.known[name], $0.asked.contains(name)) }
        let elapsed = time.elapsed()
        switch known {
        case nil: return isAsked ? Wait(holder: nil, until: now + Self.whileAsked) : nil
        case .ours(let until, _):
            guard let until, until <= elapsed else { return nil }
            return Wait(holder: nil, until: now + .seconds(1))
        case .held(let holder, let until):
            if until > elapsed { return Wait(holder: holder, until: now + (until - elapsed)) }
            // Another caller asks for it, and the answer may be that it was renewed.
            return isAsked ? Wait(holder: holder, until: now + Self.whileAsked) : nil
        }
    }

    /// The accounts of the provider whose leases are known to be ours.
    func held(of provider: ProviderName) -> [AccountName] {
        state.withLock { state in
            state.known.compactMap { name, knowledge in
                if case .ours = knowledge { name.account(of: provider) } else { nil }
            }
        }
    }

    // MARK: Leases

    /// Acquires the leases of these accounts, except those known to be ours or held by another process.
    func acquire(_ accounts: some Sequence<ProviderAccount>, at now: Timestamp) async throws(TaskStoreError) {
        try await acquire(Set(accounts.map { LeaseName($0) }), at: now)
    }

    /// Acquires the lease of work that belongs to no account, and returns what to wait for; nil if the work may start. A
    /// process that has the store to itself needs none.
    func acquire(_ name: LeaseName, at now: Timestamp) async throws(TaskStoreError) -> Wait? {
        guard isShared else { return nil }
        try await acquire([name], at: now)
        if let wait = wait(for: name, at: now) { return wait }
        // The answer may be that another process's lease ends about now.
        guard case .ours = knowledge(of: name) else { return Wait(holder: nil, until: now + Self.whileAsked) }
        return nil
    }

    private func acquire(_ names: Set<LeaseName>, at now: Timestamp) async throws(TaskStoreError) {
        let elapsed = time.elapsed()
        let missing = state.withLock { state in
            names.filter { name in
                switch state.known[name] {
                case .ours(let until, _): until.map { $0 <= elapsed } ?? false
                case .held(_, let until): until <= elapsed
                case nil: true
                }
            }
        }
        if !missing.isEmpty { _ = try await ask(for: missing, at: now) }
    }

    /// Acquires or renews these leases in one write. Returns whether one of them was another process's before.
    private func ask(for wanted: Set<LeaseName>, at now: Timestamp) async throws(TaskStoreError) -> Bool {
        let (names, forgotten) = state.withLock { state in
            let names = isShared ? wanted.subtracting(state.asked) : wanted
            state.asked.formUnion(names)
            return (names, state.forgotten)
        }
        defer { state.withLock { if $0.forgotten == forgotten { $0.asked.subtract(names) } } }
        guard !names.isEmpty else { return false }
        let before = time.elapsed()
        let fates = isShared ? fates.withLock { $0 } : nil
        let answer = try await store.acquire(names.sorted { $0.text < $1.text }, at: now) { fates?.unstored ?? [] }
        fates?.drop(answer.fates)
        let after = time.elapsed()
        // The term counts from before the write was sent: nobody knows how long its reply was on its way.
        let end = store.leaseTerm.map { (countsFromReply ? after : before) + $0 - Lease.margin }
        return state.withLock { state in
            var isNew = false
            guard state.forgotten == forgotten else { return false }
            for name in names {
                if let other = answer.held.first(where: { $0.name == name }) {
                    state.known[name] = .held(by: other.holder, until: after + (other.endsIn ?? Self.retryAfter))
                    continue
                }
                switch state.known[name] {
                // If it had ended here, it may have expired there too, and been acquired again by a submission.
                case .ours(let known?, let term) where answer.renewed.contains(name) && known > before:
                    // A renewal that began later may have been faster.
                    state.known[name] = .ours(until: end.map { max(known, $0) }, term: term)
                case let known:
                    if case .held = known { isNew = true }
                    state.terms += 1
                    state.known[name] = .ours(until: end, term: state.terms)
                }
            }
            return isNew
        }
    }

    /// Records that another process has taken over the lease of an account.
    func lose(_ account: ProviderAccount, to holder: String) {
        let until = time.elapsed() + (isShared ? .seconds(1) : Self.retryAfter)
        state.withLock { $0.known[LeaseName(account)] = .held(by: holder, until: until) }
    }

    /// Renews our leases if it is time, and tries those of others that have expired. Returns when to call again, and whether
    /// one was another process's before.
    func renew(at now: Timestamp) async throws(TaskStoreError) -> (next: Timestamp, isNew: Bool) {
        let elapsed = time.elapsed()
        let due = state.withLock { state -> Set<LeaseName> in
            let isTime = state.renewedAt.map { elapsed - $0 >= Lease.renewalInterval } ?? true
            let names = state.known.filter { _, knowledge in
                switch knowledge {
                case .ours: isTime
                case .held(_, let until): until <= elapsed
                }
            }
            if isTime { state.renewedAt = elapsed }
            return Set(names.keys)
        }
        var isNew = false
        if !due.isEmpty {
            do throws(TaskStoreError) { isNew = try await ask(for: due, at: now) } catch {
                state.withLock { $0.renewedAt = nil }
                throw error
            }
        }
        return (nextRenewal(after: elapsed, at: now), isNew)
    }

    /// When to renew, or to try a lease of another process.
    private func nextRenewal(after elapsed: Duration, at now: Timestamp) -> Timestamp {
        state.withLock { state in
            let expiries = state.known.values.compactMap { knowledge -> Duration? in
                if case .held(_, let until) = knowledge { until } else { nil }
            }
            let next = (expiries + [(state.renewedAt ?? elapsed) + Lease.renewalInterval]).min() ?? elapsed
            return now + max(next - elapsed, .zero)
        }
    }

    /// Forgets all leases. Permits that were taken before do not come back with new leases.
    func forgetAll() {
        state.withLock { state in
            let (terms, forgotten) = (state.terms, state.forgotten)
            state = State()
            (state.terms, state.forgotten) = (terms, forgotten + 1)
        }
    }
}
