import ProviderCatalog
import TaskModel
import TaskStore

/// What the accounts that may have made lost attempts show of them. An attempt is absent only from the lists of its own account.
struct CombinedAnswer: Sendable {
    private let answers: [LostAttemptSearch.Answer]
    private let accounts: ProviderAccounts

    fileprivate init?(_ answers: [LostAttemptSearch.Answer], accounts: ProviderAccounts) {
        guard !answers.isEmpty else { return nil }
        self.answers = answers
        self.accounts = accounts
    }

    /// When the first search began.
    var began: Timestamp { answers.map(\.began).min() ?? answers[0].began }

    /// The start times of attempts whose records may be in the fetched parts of the lists.
    var reach: ClosedRange<Timestamp> {
        answers.dropFirst().map(\.reach).reduce(answers[0].reach) {
            min($0.lowerBound, $1.lowerBound)...max($0.upperBound, $1.upperBound)
        }
    }

    /// The ids whose owners decide the findings.
    var candidates: Set<RemoteTaskID> { answers.reduce(into: []) { $0.formUnion($1.candidates) } }

    /// Whether the task was found by the id that it was sent with.
    func isFoundByOwnID(_ task: TaskID) -> Bool { answers.contains { $0.known.found[task] != nil } }

    /// Whether every account that may have made the attempt was asked, and replied in full.
    func isComplete(for attempt: GivenUpAttempt) -> Bool {
        let answers = answers(about: attempt.account)
        return answers?.allSatisfy { $0.isComplete && !$0.known.unanswered.contains(attempt.task) } ?? false
    }

    /// The findings about all lost attempts of these accounts that share the lists.
    func findings(in view: ReconciliationSnapshot) -> [GivenUpAttempt.Key: LostAttemptSearch.Finding] {
        var findings: [GivenUpAttempt.Key: LostAttemptSearch.Finding] = [:]
        for answer in answers {
            findings.merge(answer.findings(in: view)) { $0.combined(with: $1) }
        }
        for (key, account) in Self.accounts(in: view) where findings[key] == .absent && answers(about: account) == nil {
            findings[key] = .unproven
        }
        return findings
    }

    /// The answers of all accounts that may have made an attempt of that account; nil if one is missing.
    private func answers(about account: AccountName) -> [LostAttemptSearch.Answer]? {
        let wanted = accounts.candidates(for: account, of: answers[0].endpoint.owner.provider)
        let found = answers.filter { wanted.contains($0.endpoint.account) }
        return found.count == wanted.count ? found : nil
    }

    /// The accounts of the view's lost attempts.
    private static func accounts(in view: ReconciliationSnapshot) -> [(GivenUpAttempt.Key, AccountName)] {
        view.uncertain.map {
            (GivenUpAttempt.Key(task: $0.task.id, number: $0.task.attempts), $0.task.account)
        } + view.givenUp.map { ($0.givenUp.key, $0.givenUp.account) }
    }
}

extension LostAttemptSearch {
    /// Searches each account that may have made one of the attempts, all of which share the list of `profile`. Returns nil if
    /// no account got a reply.
    ///
    /// The caller has a token of the rate of `first`.
    func run(
        for targets: [Target], sharing profile: EndpointProfile, first: AccountName
    ) async -> CombinedAnswer? {
        var answers: [Answer] = []
        let names = targets.flatMap { admission.accounts.candidates(for: $0.account, of: profile.provider) }
        for name in [first] + Set(names).subtracting([first]).sorted() {
            let endpoint = AccountEndpoint(profile, of: name)
            let own = targets.filter { $0.account == name || $0.account == .unknown }
            guard !own.isEmpty, admission.accounts.canSend(by: endpoint.owner) else { continue }
            if name != first {
                guard admission.breakers.block(endpoint.polls, at: time.now()) == nil,
                    await admission.waitForQuerySlot(of: endpoint)
                else { continue }
            }
            if let answer = await run(for: own, sharing: endpoint) { answers.append(answer) }
        }
        return CombinedAnswer(answers, accounts: admission.accounts)
    }
}

extension LostAttemptSearch.Finding {
    /// The finding about an attempt that one of two accounts made.
    fileprivate func combined(with other: Self) -> Self {
        switch (self, other) {
        case (.found, _), (.conflict, .conflict), (.conflict, .possible), (.conflict, .absent), (.conflict, .unproven):
            self
        case (_, .found), (_, .conflict): other
        case (.possible(let ids, let isSame), .possible(let others, let areSame)):
            .possible(ids + others.filter { !ids.contains($0) }, isSame: isSame || areSame)
        case (.possible, _), (.unproven, .absent), (.unproven, .unproven), (.absent, .absent): self
        case (_, .possible), (.absent, .unproven): other
        }
    }
}
