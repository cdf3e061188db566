import Logging
import ProviderCatalog
import TaskModel
import TaskStore

/// The combined replies of the accounts that may have made lost attempts.
///
/// All lists are compared with all lost attempts at once. An attempt is absent only if every account that may have made
/// it replied in full.
struct CombinedAnswer: Sendable {
    private let search: LostAttemptSearch
    private let profile: EndpointProfile
    private let answers: [LostAttemptSearch.Answer]
    /// The accounts that may have made each searched attempt.
    private let makers: [GivenUpAttempt.Key: Set<AccountName>]
    /// The start times of attempts whose records may be in the lists, including lists that were not read.
    let reach: ClosedRange<Timestamp>
    /// The accounts without a reply, and whether they refused or were not reached.
    private let unread: [AccountName: Unread]

    /// Why there is no reply for an account.
    enum Unread: Sendable {
        /// It replied with an error, or it has no usable credentials.
        case refused
        /// There was no connection.
        case unanswered
    }

    /// Nil if no account replied.
    init?(
        _ answers: [LostAttemptSearch.Answer], to targets: [LostAttemptSearch.Target],
        of makers: [GivenUpAttempt.Key: Set<AccountName>], unread: [AccountName: Unread],
        in window: ClosedRange<Timestamp>,
        sharing profile: EndpointProfile, search: LostAttemptSearch
    ) {
        guard !answers.isEmpty else { return nil }
        self.search = search
        self.profile = profile
        self.answers = answers
        self.makers = makers
        self.unread = unread
        reach = search.reach(of: window, targets, profile)
    }

    // MARK: What was read

    /// Whether an account gave no reply.
    var isPartial: Bool { !unread.isEmpty }

    /// The accounts without a reply.
    var unreadAccounts: [AccountName] { unread.keys.sorted() }

    /// Whether the lists show everything that was accepted in the window: each was read to its end, and the clocks
    /// agree.
    var showsAll: Bool {
        !isPartial
            && answers.allSatisfy {
                $0.isComplete
                    && abs(($0.reading.clockSkew ?? .zero).inSeconds) <= search.limits.clockSkew.inSeconds
            }
    }

    /// Whether every account replied, perhaps with an error, and no connection failed.
    var isAnswered: Bool {
        unread.values.allSatisfy { $0 == .refused } && answers.allSatisfy { !$0.reading.wasCutOff }
    }

    /// When the first search began.
    var began: Timestamp { answers.map(\.began).min() ?? reach.upperBound }

    /// When the last search began. From then on every list is known.
    var allBegan: Timestamp { answers.map(\.began).max() ?? reach.upperBound }

    /// When the first search began, by the monotonic clock.
    var beganElapsed: Duration { answers.map(\.beganElapsed).min() ?? .zero }

    /// The ids whose owners decide the findings.
    var candidates: Set<RemoteTaskID> { answers.reduce(into: []) { $0.formUnion($1.candidates) } }

    /// Whether the task was found by its client id.
    func isFoundByOwnID(_ task: TaskID) -> Bool { answers.contains { $0.known.found[task] != nil } }

    /// Whether every account that may have made the attempt replied in full.
    func isComplete(for attempt: GivenUpAttempt) -> Bool {
        answers(about: attempt.key)?.allSatisfy { $0.isComplete(about: attempt.task) } ?? false
    }

    /// The replies of all accounts that may have made the attempt; nil if one is missing, or it was not searched.
    private func answers(about key: GivenUpAttempt.Key) -> [LostAttemptSearch.Answer]? {
        guard let makers = makers[key] else { return nil }
        let found = answers.filter { makers.contains($0.account) }
        return found.count == makers.count ? found : nil
    }

    // MARK: What it shows

    /// The findings about all searched attempts, and about other lost ones of these accounts that share the lists.
    func findings(in view: ReconciliationSnapshot) -> [GivenUpAttempt.Key: LostAttemptSearch.Finding] {
        var findings = makers.mapValues { _ in LostAttemptSearch.Finding.unproven }
        let known = foundByOwnID(in: view)
        let lost = lostAttempts(in: view).filter { known[$0.attempt.key] == nil }
        let lists = lists
        // An attempt found by its client id needs no record, and no other attempt may take its record.
        let taken = answers.reduce(into: view.owned) { $0.formUnion($1.known.found.values.map(\.id)) }
        let matched = SubmissionMatcher.search(
            for: lost.map(\.attempt), among: records.filter { !taken.contains($0.remoteID) }, of: lists,
            sending: view.submitting.filter { isListed($0.task) }.compactMap { search.lostAttempt(of: $0) },
            named: view.named, marked: answers.reduce(into: [:]) { $0.merge($1.marked) { first, _ in first } })
        for (attempt, startedAt) in lost {
            switch matched[attempt.key] {
            case .found(let id, let trace):
                guard let list = lists.first(where: { $0.mayShow(attempt) && $0.ids.contains(id) }) else { break }
                findings[attempt.key] = .found(id, traceID: trace, by: list.account)
            case .possible(let ids, let isSame): findings[attempt.key] = .possible(ids, isSame: isSame)
            case .nothing:
                findings[attempt.key] = isAbsent(attempt, startedAt: startedAt, from: lists) ? .absent : .unproven
            case nil: break
            }
        }
        return findings.merging(known) { $1 }
    }

    /// The findings about attempts that the provider knows by their client ids, which all attempts of a task share.
    private func foundByOwnID(
        in view: ReconciliationSnapshot
    ) -> [GivenUpAttempt.Key: LostAttemptSearch.Finding] {
        var findings: [GivenUpAttempt.Key: LostAttemptSearch.Finding] = [:]
        // Programs may reuse a client id for two tasks, but only one of them can own the remote task.
        var claimed = view.owned.union(view.named)
        func found(_ task: TrackedTask) -> (id: RemoteTaskID, traceID: String?, by: AccountName)? {
            guard isListed(task) else { return nil }
            return answers.lazy.compactMap { answer in
                answer.known.found[task.id].map { ($0.id, $0.traceID, answer.account) }
            }.first
        }
        for task in view.uncertain.map(\.task) {
            guard let own = found(task), let attempt = task.attempt else { continue }
            findings[GivenUpAttempt.Key(task: task.id, number: attempt.number)] =
                claimed.insert(own.id).inserted
                ? .found(own.id, traceID: own.traceID, by: own.by) : .conflict(own.id)
        }
        // An attempt of a task with a known id is not a new finding.
        for given in view.givenUp where given.stored.task.state != .uncertain {
            guard let own = found(given.stored.task), claimed.insert(own.id).inserted else { continue }
            findings[given.givenUp.key] = .found(own.id, traceID: own.traceID, by: own.by)
        }
        return findings
    }

    /// The listed records that no task owns and no lost attempt explains. Each lost attempt explains one record that
    /// may be its own, in the lists of the accounts that may have made it.
    func unexplained(in view: ReconciliationSnapshot) -> [ListedTask] {
        let lists = lists
        let marked = answers.reduce(into: Set<RemoteTaskID>()) { $0.formUnion($1.marked.keys) }
        return SubmissionMatcher.unexplained(
            by: lostAttempts(in: view).map(\.attempt),
            among: records.filter { !view.owned.contains($0.remoteID) && !marked.contains($0.remoteID) }
        ) { record, attempt in
            Self.mayShow(record, of: attempt, in: lists)
        }
    }

    /// The records that may belong to the task's latest attempt, by any account.
    func records(among records: [ListedTask], for stored: [TaskWithPayload]) -> [TaskID: [RemoteTaskID]] {
        let (lists, records) = (lists, records.map { SubmissionMatcher.Record($0) })
        var found: [TaskID: [RemoteTaskID]] = [:]
        for stored in stored {
            guard let attempt = search.lostAttempt(of: stored) else { continue }
            found[stored.task.id] =
                records.filter { Self.mayShow($0, of: attempt, in: lists) }.map(\.task.remoteID)
        }
        return found
    }

    /// Whether a list shows the record, and the record may belong to the attempt.
    private static func mayShow(
        _ record: SubmissionMatcher.Record, of attempt: LostAttempt, in lists: [SubmissionMatcher.List]
    ) -> Bool {
        let shown = lists.filter { $0.ids.contains(record.task.remoteID) }
        return SubmissionMatcher.verdict(on: record, for: attempt, in: shown) != .other
    }

    /// The records of all lists, each once. Two accounts may belong to one user and show the same records.
    private var records: [ListedTask] {
        var seen: Set<RemoteTaskID> = []
        return answers.flatMap(\.reading.tasks).filter { seen.insert($0.remoteID).inserted }
    }

    /// The list of each account, prepared for comparisons.
    private var lists: [SubmissionMatcher.List] {
        answers.map { answer in
            SubmissionMatcher.List(
                account: answer.account, ids: Set(answer.reading.tasks.map(\.remoteID)),
                evidence: Dictionary(
                    uniqueKeysWithValues: answer.accepted.compactMap { endpoint, tasks in
                        search.catalog.endpoint(endpoint).map {
                            (
                                endpoint,
                                ListEvidence(accepted: tasks, in: answer.reading.tasks, $0, of: answer.account)
                            )
                        }
                    }))
        }
    }

    /// The lost attempts of all accounts that share the lists, with their start times.
    private func lostAttempts(
        in view: ReconciliationSnapshot
    ) -> [(attempt: LostAttempt, startedAt: Timestamp)] {
        view.uncertain.filter { isListed($0.task) }.compactMap { stored in
            guard let attempt = stored.task.attempt, let lost = search.lostAttempt(of: stored) else { return nil }
            return (lost, attempt.startedAt)
        }
            + view.givenUp.filter { isListed($0.stored.task) }.compactMap { given in
                search.lostAttempt(of: given).map { ($0, given.givenUp.attempt.startedAt) }
            }
    }

    /// Whether the lists may contain a record of this task.
    private func isListed(_ task: TrackedTask) -> Bool {
        search.catalog.endpoint(task.endpoint)?.sharesList(with: profile) ?? false
    }

    // MARK: Absence

    /// Whether the search proves that no account accepted an attempt. Each account that may have made it must prove it.
    private func isAbsent(
        _ attempt: LostAttempt, startedAt: Timestamp, from lists: [SubmissionMatcher.List]
    ) -> Bool {
        guard let answers = answers(about: attempt.key) else { return false }
        return answers.allSatisfy { answer in
            let evidence = lists.first { $0.account == answer.account }?.evidence[attempt.endpoint]
            return proves(answer, absenceOf: attempt, startedAt: startedAt, by: evidence)
        }
    }

    /// Whether an account's reply proves that it did not accept an attempt. The list must be complete and show a
    /// control: an accepted task of the endpoint, sent near the attempt and listed exactly as sent.
    private func proves(
        _ answer: LostAttemptSearch.Answer, absenceOf attempt: LostAttempt, startedAt: Timestamp,
        by evidence: ListEvidence?
    ) -> Bool {
        let (limits, logger) = (search.limits, search.logger)
        guard answer.isComplete(about: attempt.key.task), answer.window.lowerBound <= attempt.window.lowerBound,
            // Attempts that ended later may be missing. The tolerance is for clock differences.
            attempt.window.upperBound <= min(answer.window.upperBound, answer.began + limits.clockSkew)
        else { return false }
        // A list at another base URL, or read with another token, may lack what was sent before.
        let changes = limits.history.listChanges(
            for: ProviderAccount(provider: profile.provider, account: answer.account))
        let sentAt = attempt.window.lowerBound + limits.clockSkew
        guard answer.reading.isList else { return changes.areAllBefore(sentAt) }
        if let skew = answer.reading.clockSkew, abs(skew.inSeconds) > limits.clockSkew.inSeconds {
            logger.warning(
                "The clocks of the provider and this machine differ by \(Int(skew.inSeconds)) s, so its list of \(answer.endpoint.service) tasks proves no absence."
            )
            return false
        }
        if evidence?.hasControl(
            for: attempt, acceptedWithin: limits.controlSpan, of: startedAt,
            where: { changes.none(between: sentAt, and: $0.window) }) ?? false
        {
            return true
        }
        logger.info(
            """
            \(attempt.key.task) is not in the provider's list. This proves nothing, because the list shows no accepted task of \
            \(attempt.endpoint) with the same members and unchanged values.
            """)
        return false
    }
}
