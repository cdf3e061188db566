import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

/// Finds lost attempts in the provider's own list, by the request that each record echoes.
///
/// Pure. Each record that nobody owns is compared with each lost attempt: it is *the same*, certainly *another's*, or
/// *possibly* the attempt's. Only the same one is taken, and an attempt is missing only where every record is another's.
/// Equal requests are matched as a multiset: each record serves one attempt at most, and as many attempts are served as can
/// be. A record that may belong to a task that is being sent at this moment serves none until that task's reply is known; one
/// that is the same for attempts of two endpoints serves none at all.
enum SubmissionMatcher {
    /// How a record compares with an attempt.
    enum Verdict: Sendable, Hashable {
        case same
        /// It differs in ways in which providers rewrite what they were sent, or says too little.
        case possible
        /// It is positively another request.
        case other
    }

    /// What became of a search for one attempt.
    enum Finding: Sendable, Equatable {
        case found(RemoteTaskID, traceID: String?)
        /// These records may be the attempt's; `isSame` where one of them equals it, and cannot be taken: a person has named it,
        /// or it may belong to a task that is being sent or to a lost one of another endpoint.
        case possible([RemoteTaskID], isSame: Bool)
        /// Every record of its window is another's.
        case nothing
    }

    /// A record of the list, taken apart once.
    struct Record: Sendable {
        let task: ListedTask
        /// Nil where it echoes no request.
        let echo: RequestEcho?
        let type: String?
        /// The attempts of ours whose callback token or id it carries.
        fileprivate(set) var owners: Set<GivenUpAttempt.Key> = []

        init(_ task: ListedTask) {
            self.task = task
            echo = task.request.object.flatMap { $0.isEmpty ? nil : RequestEcho($0) }
            type = task.type?.lowercased()
        }

        /// The digest of the token in the callback URL that it echoes there, were it one of ours.
        func token(at member: String) -> CallbackDigest? {
            echo?.leaves[[member]]?.string.map(CallbackToken.digest(inURL:))
        }

        /// Whether the record goes by the id or echoes it; however it writes UUIDs.
        func names(_ ownID: (member: String, id: RemoteTaskID)) -> Bool {
            ownIDText(at: ownID.member) == ownID.id.text.plain
        }

        fileprivate func ownIDText(at member: String) -> String {
            (echo?.leaves[[member]].flatMap(\.text) ?? task.remoteID.text).plain
        }
    }

    /// The marks of attempts that records may carry, by what they are.
    private struct Marks {
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

    /// Says for every lost attempt what the list shows.
    ///
    /// `listed` are the records that no task owns whose submission we saw; those in `named` a person has named for a task, and
    /// they are never taken. `marked` says whose token a record carries, where that is known. `evidence` is by endpoint.
    static func search(
        for lost: [LostAttempt], among listed: [ListedTask], sending: [LostAttempt] = [],
        named: Set<RemoteTaskID> = [], marked: [RemoteTaskID: GivenUpAttempt.Key] = [:],
        evidence: [EndpointName: ListEvidence] = [:]
    ) -> [GivenUpAttempt.Key: Finding] {
        let marks = Marks(of: lost + sending)
        let records = inOrder(listed).map { record in
            var record = record
            record.owners = marks.owners(of: record).union([marked[record.task.remoteID]].compactMap(\.self))
            return record
        }
        // Who sent more members is served first: its records are the rarer ones.
        let attempts = lost.sorted(by: isMoreDemanding)
        let verdicts = attempts.map { attempt in
            records.map { verdict(on: $0, for: attempt, by: evidence[attempt.endpoint]) }
        }
        func isTakeable(_ record: Int) -> Bool {
            guard !named.contains(records[record].task.remoteID),
                !sending.contains(where: { mayBe(records[record], $0, by: evidence[$0.endpoint]) })
            else { return false }
            let suitors = attempts.indices.filter { verdicts[$0][record] == .same }
            let endpoints = Set(suitors.map { attempts[$0].endpoint })
            guard endpoints.count == 1 else { return false }
            // Nor where it may be another endpoint's, whose defaults are not known yet.
            return !attempts.contains { other in
                !endpoints.contains(other.endpoint) && mayBe(records[record], other, by: evidence[other.endpoint])
            }
        }
        let takeable = Set(records.indices.filter(isTakeable))
        let served = MultisetMatching.serve(
            verdicts.map { row in row.indices.filter { row[$0] == .same && takeable.contains($0) } })
        let taken = Set(served.compactMap(\.self))
        var findings: [GivenUpAttempt.Key: Finding] = [:]
        for (number, attempt) in attempts.enumerated() {
            if let record = served[number].map({ records[$0].task }) {
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

    /// The record with the fewest members that were not sent is the likeliest, then the oldest.
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
        return counts.0 != counts.1
            ? counts.0 > counts.1
            : (left.window.lowerBound, left.key.task, left.key.number) < (
                right.window.lowerBound, right.key.task, right.key.number
            )
    }

    // MARK: One record and one attempt

    static func verdict(
        on record: Record, for attempt: LostAttempt, by evidence: ListEvidence?
    ) -> Verdict {
        // Two attempts may have been sent under one id by their programs.
        if !record.owners.isEmpty, !record.owners.contains(attempt.key) { return .other }
        if let type = record.type, attempt.otherTypes.contains(type) { return .other }
        // No other request was ever given that URL, whatever time the provider's clock shows.
        if let callback = attempt.callback, record.token(at: callback.member) == callback.digest { return .same }
        if let createdAt = record.task.createdAt, !attempt.window.contains(createdAt) { return .other }
        for (path, text) in attempt.texts where evidence?.echoesVerbatim(text, at: path) ?? false {
            if let echo = record.echo?.leaves[path]?.string, text.contradicts(PromptText(echo)) { return .other }
        }
        return isSame(record, attempt, by: evidence ?? ListEvidence()) ? .same : .possible
    }

    /// Whether the record says all that was sent, and nothing else but defaults; without evidence whatever was added.
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

    /// Whether the record may belong to a task that is being sent: it has not come back with another text.
    ///
    /// Stricter than *possible*, since the reply to that task tells soon; every text counts here, however short.
    private static func mayBe(
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
    /// A string, or a number's digits.
    fileprivate var text: String? { string ?? number?.digits }
}

extension String {
    /// An id without regard to case and dashes.
    fileprivate var plain: String { lowercased().filter { $0 != "-" } }
}

extension Timestamp {
    fileprivate static var distantPast: Timestamp { Timestamp(milliseconds: .min) }
}
