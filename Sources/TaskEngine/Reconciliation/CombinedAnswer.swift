import ProviderCatalog
import TaskModel
import TaskStore

/// What the accounts that may have made lost attempts show of them. An attempt is absent only from the lists of its own account.
struct CombinedAnswer: Sendable {
    private let answers: [LostAttemptSearch.Answer]
    private let accounts: ProviderAccounts
    /// Whether an account that was to be searched is missing.
    private let isPartial: Bool
    /// Whether a provider answered one of them with an error, or with a part of its list.
    let isRefused: Bool

    fileprivate init?(
        _ answers: [LostAttemptSearch.Answer], accounts: ProviderAccounts, isPartial: Bool, isRefused: Bool
    ) {
        guard !answers.isEmpty else { return nil }
        self.answers = answers
        self.accounts = accounts
        self.isPartial = isPartial
        self.isRefused = isRefused || !answers.allSatisfy(\.isComplete)
    }

    /// Whether the whole list of every account that was to be searched was read.
    var isComplete: Bool { !isPartial && answers.allSatisfy(\.isComplete) }

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

    /// The listed records that no task owns and that no lost attempt explains: each lost attempt explains one of those that may
    /// be its own, in the lists of the accounts that may have made it.
    func unexplained(in view: ReconciliationSnapshot) -> [ListedTask] {
        let lost = answers[0].lostAttempts(in: view)
        let makers = Dictionary(lost.map { ($0.attempt.key, $0.account) }) { first, _ in first }
        // Two accounts may be one user's and show the same list.
        var known: Set<RemoteTaskID> = []
        let records = answers.flatMap { $0.unowned(in: view) }.filter { known.insert($0.remoteID).inserted }
        let lists = lists
        return SubmissionMatcher.unexplained(
            by: lost.map(\.attempt), among: records
        ) { record, attempt in
            lists.contains { list in
                list.answer.mayBeOurs(makers[attempt.key] ?? .unknown) && list.mayShow(record, of: attempt)
            }
        }
    }

    /// Those of the records that may be of the task's latest attempt, whichever account made it.
    func records(among records: [ListedTask], for stored: [TaskWithPayload]) -> [TaskID: [RemoteTaskID]] {
        let (lists, records) = (lists, records.map { SubmissionMatcher.Record($0) })
        var found: [TaskID: [RemoteTaskID]] = [:]
        for stored in stored {
            guard let attempt = answers[0].lostAttempt(of: stored) else { continue }
            found[stored.task.id] = records.filter { record in
                lists.contains { $0.mayShow(record, of: attempt) }
            }.map(\.task.remoteID)
        }
        return found
    }

    /// One account's list, prepared for comparisons.
    private struct List {
        let answer: LostAttemptSearch.Answer
        let ids: Set<RemoteTaskID>
        let evidence: [EndpointName: ListEvidence]

        /// Whether the list shows the record, and it may be the attempt's.
        func mayShow(_ record: SubmissionMatcher.Record, of attempt: LostAttempt) -> Bool {
            ids.contains(record.task.remoteID)
                && SubmissionMatcher.verdict(on: record, for: attempt, by: evidence[attempt.endpoint]) != .other
        }
    }

    private var lists: [List] {
        answers.map { List(answer: $0, ids: $0.candidates, evidence: $0.evidence) }
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
    /// Searches each account that may have made one of the attempts, all of which share the list of `profile`.
    ///
    /// The caller has a token of the rate of `first`.
    func run(
        for targets: [Target], sharing profile: EndpointProfile, first: AccountName, onlyInList: Bool = false
    ) async -> Result<CombinedAnswer> {
        let version = version
        var answers: [Answer] = []
        var (isPartial, isRefused) = (false, false)
        let names = targets.flatMap { admission.accounts.candidates(for: $0.account, of: profile.provider) }
        for name in [first] + Set(names).subtracting([first]).sorted() {
            let endpoint = AccountEndpoint(profile, of: name)
            let own = targets.filter { $0.account == name || $0.account == .unknown }
            guard !own.isEmpty, admission.accounts.canSend(by: endpoint.owner) else { continue }
            if name != first {
                guard admission.breakers.block(endpoint.polls, at: time.now()) == nil,
                    await admission.waitForQuerySlot(of: endpoint)
                else {
                    isPartial = true
                    continue
                }
            }
            switch await run(for: own, sharing: endpoint, onlyInList: onlyInList) {
            case .read(let answer): answers.append(answer)
            case .refused: (isPartial, isRefused) = (true, true)
            case .unanswered: isPartial = true
            }
        }
        // A reload may have changed the accounts, or what the replies to the first ones mean.
        guard version == self.version else { return .unanswered }
        return CombinedAnswer(answers, accounts: admission.accounts, isPartial: isPartial, isRefused: isRefused)
            .map { .read($0) } ?? (isRefused ? .refused : .unanswered)
    }

    /// The accounts that can be searched for attempts of that account.
    func searchedAccounts(for account: AccountName, of provider: ProviderName) -> [AccountName] {
        admission.accounts.candidates(for: account, of: provider).filter {
            admission.accounts.canSend(by: ProviderAccount(provider: provider, account: $0))
        }
    }

    /// The account whose list is read first for attempts of that account.
    func firstAccount(for account: AccountName, _ profile: EndpointProfile, at now: Timestamp) -> AccountName {
        let names = searchedAccounts(for: account, of: profile.provider)
        return names.first { admission.breakers.block(AccountEndpoint(profile, of: $0).polls, at: now) == nil }
            ?? names.first ?? account
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
