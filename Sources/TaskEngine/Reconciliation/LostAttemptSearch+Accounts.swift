import ProviderCatalog
import TaskModel
import TaskStore

/// Determines which accounts are searched, and in which order.
extension LostAttemptSearch {
    /// Searches each account that may have made one of the attempts. All attempts share the list of `profile`.
    ///
    /// Each list is read for the time of all attempts. The caller has a token of the rate of `first`, and has checked
    /// its breaker. `isUrgent` searches the other accounts even if their breakers are open.
    func run(
        for targets: [Target], sharing profile: EndpointProfile, first: AccountName, onlyInList: Bool = false,
        isUrgent: Bool = false
    ) async -> Result<CombinedAnswer> {
        guard let window = window(of: targets) else { return .unanswered }
        let version = version
        let makers = Dictionary(
            targets.map { ($0.key, Set(accounts(thatMayHaveMade: $0, of: profile.provider))) }
        ) { $0.union($1) }
        var answers: [Answer] = []
        var unread: [AccountName: CombinedAnswer.Unread] = [:]
        let names = makers.values.reduce(into: Set()) { $0.formUnion($1) }
        for name in [first].filter(names.contains) + names.subtracting([first]).sorted() {
            let endpoint = AccountEndpoint(profile, of: name)
            if let reason = await obstacle(to: endpoint, isFirst: name == first, isUrgent: isUrgent) {
                unread[name] = reason
                continue
            }
            let own = targets.filter { makers[$0.key]?.contains(name) ?? false }
            switch await run(for: own, sharing: endpoint, in: window, onlyInList: onlyInList) {
            case .read(let answer): answers.append(answer)
            case .refused: unread[name] = .refused
            // Its token is rejected, so no request can use it.
            case .unanswered: unread[name] = isPaused(endpoint) ? .refused : .unanswered
            case .outdated: return .outdated
            }
        }
        // A reload may have changed the accounts, or the meaning of the first replies.
        guard version == self.version else { return .outdated }
        let answer = CombinedAnswer(
            answers, to: targets, of: makers, unread: unread, in: window, sharing: profile, search: self)
        if let answer { return .read(answer) }
        // A rejected token says nothing about the list.
        let isRefused = unread.contains { name, reason in
            reason == .refused && !isPaused(AccountEndpoint(profile, of: name))
        }
        return isRefused && !unread.values.contains(.unanswered) ? .refused : .unanswered
    }

    /// What prevents reading the account's list after the wait for its rate; nil if nothing does.
    private func obstacle(
        to endpoint: AccountEndpoint, isFirst: Bool, isUrgent: Bool
    ) async -> CombinedAnswer.Unread? {
        guard admission.accounts.canSend(by: endpoint.owner) else { return .refused }
        guard !isFirst else { return nil }
        if !isUrgent, let block = admission.breakers.block(endpoint.polls, at: time.now()) {
            // The latest reply to a query counts.
            guard case .backingOff(_, _, let failure) = block else { return .refused }
            return failure?.httpStatus != nil ? .refused : .unanswered
        }
        return await admission.waitForQuerySlot(of: endpoint) ? nil : .unanswered
    }

    private func isPaused(_ endpoint: AccountEndpoint) -> Bool {
        admission.breakers.state(of: .account(endpoint.owner)).pause != nil
    }

    /// The accounts that may have made the attempt.
    private func accounts(thatMayHaveMade target: Target, of provider: ProviderName) -> [AccountName] {
        admission.candidates(for: target.account, of: provider, since: target.attempt.startedAt)
    }

    /// The accounts that can be searched for attempts of that account.
    func searchedAccounts(for account: AccountName, of provider: ProviderName) -> [AccountName] {
        let names = account == .unknown ? admission.accounts.of(provider).map(\.name) : [account]
        return names.filter { admission.accounts.canSend(by: ProviderAccount(provider: provider, account: $0)) }
    }

    /// The account whose list is read first for attempts of that account.
    func firstAccount(for account: AccountName, _ profile: EndpointProfile, at now: Timestamp) -> AccountName {
        let names = searchedAccounts(for: account, of: profile.provider)
        return names.first { admission.breakers.block(AccountEndpoint(profile, of: $0).polls, at: now) == nil }
            ?? names.first ?? account
    }
}
