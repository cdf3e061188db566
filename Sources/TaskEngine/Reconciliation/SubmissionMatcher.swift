import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

/// Matches lost attempts with records of the provider's lists by the request that each record echoes.
///
/// It is a pure function. It classifies each unowned record and attempt as the *same*, certainly *another's*, or
/// *possibly* the attempt's. Only a same record is assigned, and an attempt is missing only if every record is
/// another's. Equal requests are matched as a multiset: each record serves one attempt, and as many attempts as
/// possible are matched. A record that may belong to a task being sent is not assigned until that task has its reply.
/// A record that is the same for attempts of two endpoints is never assigned.
///
/// An attempt gets only records that a list of its own account shows. Attempts of other accounts also
/// compete for them, because two accounts of one user show the same records.
enum SubmissionMatcher {
    /// How a record compares with an attempt.
    enum Verdict: Sendable, Hashable {
        case same
        /// It differs in a way that provider rewriting can explain, or has too little content.
        case possible
        /// It certainly belongs to another request.
        case other
    }

    /// The finding about one attempt.
    enum Finding: Sendable, Equatable {
        case found(RemoteTaskID, traceID: String?)
        /// These records may be the attempt's. `isSame` means that one of them is equal but was not assigned. A user
        /// named it, a task being sent or another endpoint may own it, or another attempt took it.
        case possible([RemoteTaskID], isSame: Bool)
        /// Every record in its window is another's.
        case nothing
    }

    /// One account's list.
    struct List: Sendable {
        let account: AccountName
        let ids: Set<RemoteTaskID>
        /// How the list echoes requests, by endpoint.
        let evidence: [EndpointName: ListEvidence]

        /// Whether a record of this list may belong to the attempt, for its account.
        func mayShow(_ attempt: LostAttempt) -> Bool { attempt.account == account || attempt.account == .unknown }
    }

    /// A record of the lists, prepared for comparison.
    struct Record: Sendable {
        let task: ListedTask
        /// Nil if the record echoes no request.
        let echo: RequestEcho?
        let type: String?
        /// The attempts whose callback token or client id the record contains.
        fileprivate(set) var owners: Set<GivenUpAttempt.Key> = []

        init(_ task: ListedTask) {
            self.task = task
            echo = task.request.object.flatMap { $0.isEmpty ? nil : RequestEcho($0) }
            type = task.type?.lowercased()
        }

        /// The digest of the token in the echoed callback URL, assuming that it is a URL of Pollux.
        func token(at member: String) -> CallbackDigest? {
            echo?.leaves[[member]]?.string.map(CallbackToken.digest(inURL:))
        }

        /// Whether the record has the client id or echoes it, ignoring the format of UUIDs.
        func names(_ ownID: (member: String, id: RemoteTaskID)) -> Bool {
            ownIDText(at: ownID.member) == ownID.id.text.plain
        }

        fileprivate func ownIDText(at member: String) -> String {
            (echo?.leaves[[member]].flatMap(\.text) ?? task.remoteID.text).plain
        }
    }

    /// Maps callback tokens and client ids to attempts.
    private struct AttemptIndex {
        var tokens: [CallbackDigest: GivenUpAttempt.Key] = [:]
        var tokenMembers: Set<String> = []
        var ids: [String: [String: Set<GivenUpAttempt.Key>]] = [:]

        init(of attempts: [LostAttempt]) {
            for attempt in attempts {
                if let callback = attempt.callback {
                    tokens[callback.digest] = attempt.key
                    tokenMembers.insert(callback.member)
                }
                if let ownID = attempt.ownID {
                    ids[ownID.member, default: [:]][ownID.id.text.plain, default: []].insert(attempt.key)
                }
            }
        }

        func owners(of record: Record) -> Set<GivenUpAttempt.Key> {
            var owners = Set(tokenMembers.compactMap { record.token(at: $0).flatMap { tokens[$0] } })
            for (member, byID) in ids { owners.formUnion(byID[record.ownIDText(at: member)] ?? []) }
            return owners
        }
    }

    /// Returns the finding about each lost attempt.
    ///
    /// `listed` are the records of all lists, each once, without an owner whose acceptance Pollux saw. Records in `named`,
    /// which a user named for a task, are never assigned. `marked` maps records to the attempts whose token they contain.
    static func search(
        for lost: [LostAttempt], among listed: [ListedTask], of lists: [List], sending: [LostAttempt] = [],
        named: Set<RemoteTaskID> = [], marked: [RemoteTaskID: GivenUpAttempt.Key] = [:]
    ) -> [GivenUpAttempt.Key: Finding] {
        let index = AttemptIndex(of: lost + sending)
        let records = inOrder(listed).map { record in
            var record = record
            record.owners = index.owners(of: record).union([marked[record.task.remoteID]].compactMap(\.self))
            return record
        }
        // Requests with more members come first, because fewer records match them.
        let attempts = lost.sorted(by: isMoreDemanding)
        let shown = records.map { record in lists.filter { $0.ids.contains(record.task.remoteID) } }
        let verdicts = attempts.map { attempt in
            records.indices.map { verdict(on: records[$0], for: attempt, in: shown[$0]) }
        }
        /// Whether the record may belong to the attempt, also if its account's list does not show the record.
        func mayBelong(_ record: Int, to attempt: LostAttempt) -> Bool {
            shown[record].contains { list in
                Self.mayBelong(records[record], attempt, by: list.evidence[attempt.endpoint])
            }
        }
        func isTakeable(_ record: Int) -> Bool {
            guard !named.contains(records[record].task.remoteID),
                !sending.contains(where: { mayBelong(record, to: $0) })
            else { return false }
            let claimants = attempts.indices.filter { verdicts[$0][record] == .same }
            let endpoints = Set(claimants.map { attempts[$0].endpoint })
            guard endpoints.count == 1 else { return false }
            // Nor if it may belong to another endpoint, whose defaults are still unknown.
            return !attempts.contains { !endpoints.contains($0.endpoint) && mayBelong(record, to: $0) }
        }
        let takeable = Set(records.indices.filter(isTakeable))
        let matched = MultisetMatching.match(
            verdicts.map { row in row.indices.filter { row[$0] == .same && takeable.contains($0) } })
        let taken = Set(matched.compactMap(\.self))
        var findings: [GivenUpAttempt.Key: Finding] = [:]
        for (number, attempt) in attempts.enumerated() {
            if let record = matched[number].map({ records[$0].task }) {
                findings[attempt.key] = .found(record.remoteID, traceID: record.traceID)
                continue
            }
            let left = records.indices.filter { verdicts[number][$0] != .other && !taken.contains($0) }
            findings[attempt.key] =
                left.isEmpty
                ? .nothing
                : .possible(
                    left.map { records[$0].task.remoteID },
                    isSame: left.contains { verdicts[number][$0] == .same }
                )
        }
        return findings
    }

    /// The records that are left when each lost attempt takes one that may be its own, as `mayBe` decides.
    static func unexplained(
        by lost: [LostAttempt], among listed: [ListedTask], mayBe: (Record, LostAttempt) -> Bool
    ) -> [ListedTask] {
        let index = AttemptIndex(of: lost)
        let records = listed.map { task in
            var record = Record(task)
            record.owners = index.owners(of: record)
            return record
        }
        let matched = MultisetMatching.match(
            lost.map { attempt in records.indices.filter { mayBe(records[$0], attempt) } })
        let taken = Set(matched.compactMap(\.self))
        return records.indices.filter { !taken.contains($0) }.map { records[$0].task }
    }

    /// Records with the fewest members come first as the likeliest match, then the oldest.
    private static func inOrder(_ listed: [ListedTask]) -> [Record] {
        listed.map { (record: Record($0), members: $0.request.object?.members.count ?? 0) }
            .sorted { left, right in
                (left.members, left.record.task.createdAt ?? .distantPast) < (
                    right.members, right.record.task.createdAt ?? .distantPast
                )
            }
            .map(\.record)
    }

    private static func isMoreDemanding(_ left: LostAttempt, _ right: LostAttempt) -> Bool {
        let counts = (left.request.leaves.count, right.request.leaves.count)
        guard counts.0 == counts.1 else { return counts.0 > counts.1 }
        return left.isGivenUp != right.isGivenUp
            ? right.isGivenUp
            : (left.window.lowerBound, left.key.task, left.key.number) < (
                right.window.lowerBound, right.key.task, right.key.number
            )
    }

    // MARK: One record and one attempt

    /// The verdict by all lists that show the record.
    static func verdict(on record: Record, for attempt: LostAttempt, in lists: [List]) -> Verdict {
        let verdicts = lists.filter { $0.mayShow(attempt) }.map { list in
            verdict(on: record, for: attempt, by: list.evidence[attempt.endpoint])
        }
        if verdicts.contains(.same) { return .same }
        return verdicts.contains(.possible) ? .possible : .other
    }

    static func verdict(
        on record: Record, for attempt: LostAttempt, by evidence: ListEvidence?
    ) -> Verdict {
        // Two attempts may share a client id that their programs chose.
        if !record.owners.isEmpty, !record.owners.contains(attempt.key) { return .other }
        if let type = record.type, attempt.otherTypes.contains(type) { return .other }
        // A callback URL is unique to its attempt, whatever the provider's clock shows.
        if let callback = attempt.callback, record.token(at: callback.member) == callback.digest { return .same }
        if let createdAt = record.task.createdAt, !attempt.window.contains(createdAt) { return .other }
        for (path, text) in attempt.texts where evidence?.echoesVerbatim(text, at: path) ?? false {
            if let echo = record.echo?.leaves[path]?.string, text.contradicts(PromptText(echo)) { return .other }
        }
        return isSame(record, attempt, by: evidence ?? ListEvidence()) ? .same : .possible
    }

    /// Whether the record contains the whole request and otherwise only defaults. Without evidence, additions are
    /// ignored.
    static func isSame(_ record: Record, _ attempt: LostAttempt, by evidence: ListEvidence?) -> Bool {
        guard let echo = record.echo else { return false }
        if let createdAt = record.task.createdAt, !attempt.window.contains(createdAt) { return false }
        if let type = record.type, let expected = attempt.recordType, type != expected { return false }
        if let callback = attempt.callback, record.token(at: callback.member) != callback.digest { return false }
        if let ownID = attempt.ownID, !record.names(ownID) { return false }
        guard attempt.request.isCovered(by: echo) else { return false }
        guard let evidence else { return true }
        return attempt.request.additions(in: echo.without(attempt.addedNames)).allSatisfy { path, value in
            evidence.explains(value, at: path)
        }
    }

    /// Whether the record may belong to a task that is being sent: no text contradicts its request.
    ///
    /// Stricter than *possible*, because that task's reply arrives soon. Even short texts count here.
    private static func mayBelong(
        _ record: Record, _ sending: LostAttempt, by evidence: ListEvidence?
    ) -> Bool {
        switch verdict(on: record, for: sending, by: evidence) {
        case .same: true
        case .other: false
        case .possible:
            !sending.request.leaves.contains { path, value in
                guard let sent = value.string, let echo = record.echo?.leaves[path]?.string else { return false }
                return PromptText(sent).contradicts(PromptText(echo))
            }
        }
    }
}

extension JSONValue {
    /// The string, or the number's digits.
    fileprivate var text: String? { string ?? number?.digits }
}

extension String {
    /// An id in lower case without dashes.
    fileprivate var plain: String { lowercased().filter { $0 != "-" } }
}

extension Timestamp {
    fileprivate static var distantPast: Timestamp { Timestamp(milliseconds: .min) }
}
