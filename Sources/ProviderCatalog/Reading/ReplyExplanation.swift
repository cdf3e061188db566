package import TaskModel
import VerbatimJSON

/// How a recorded reply would be read, and why.
package struct ReplyExplanation: Sendable, Hashable {
    /// As the reply to a submission.
    package let submission: String
    /// As the reply to a status query.
    package let record: String
    /// The rule that decided about the record.
    package let rule: String
    /// What the daemon would show as the task's results.
    package let results: [TaskResult]
    /// Whether the task would count as succeeded.
    package let hasSucceeded: Bool
    package let progress: Double?
}

extension EndpointProfile {
    /// Reads a recorded reply as the daemon would, and says which rule decided.
    package func explain(_ reply: UpstreamReply) -> ReplyExplanation {
        // A body that is no JSON is explained below.
        let body = try? JSONValue(parsing: reply.body, limits: .lenient)
        let id = body.flatMap { body in wire?.id(in: body, at: wire?.recordID ?? []) } ?? RemoteTaskID("recorded")
        let lookup = id.map { readLookup(reply, of: $0) }
        var progress: Double?
        if case .observed(let observation) = lookup { progress = observation.progress }
        // Of a result that stands elsewhere the reply may be that one as well as the record before it.
        var hasSucceeded = false
        if case .observed(let observation) = lookup, case .succeeded = observation.verdict { hasSucceeded = true }
        let results = hasSucceeded || fetchesResult ? body.map { self.results(in: $0, of: id) } ?? [] : []
        return ReplyExplanation(
            submission: words(for: readSubmission(reply)), record: lookup.map(words) ?? "nothing",
            rule: rule(of: reply, body, lookup), results: results, hasSucceeded: hasSucceeded,
            progress: progress)
    }

    private func rule(of reply: UpstreamReply, _ body: JSONValue?, _ lookup: LookupVerdict?) -> String {
        guard let wire else { return "the evidence that all services share; no single rule" }
        guard case .observed = lookup else { return "its status and codes, before any rule about records" }
        guard let rule = observe(body ?? .null, by: wire, httpStatus: reply.status).rule else {
            return "none applies, so the task would run on; add the word or the shape to state"
        }
        return "\(rule.line.map { "line \($0): " } ?? "")\(rule.text(body ?? .null))"
    }

    private func words(for verdict: SubmitVerdict) -> String {
        switch verdict {
        case .accepted(let id, _, let url): "accepted as \(id)" + (url.map { ", to be asked for at \($0)" } ?? "")
        case .answered(let observation, _): "answered at once: \(words(observation.verdict))"
        case .throttled(let failure, _): "not accepted, later perhaps: \(words(failure))"
        case .stopped(let failure, .account): "not accepted, and the whole provider is paused: \(words(failure))"
        case .stopped(let failure, .endpoint): "not accepted, and the endpoint is paused: \(words(failure))"
        case .refused(let failure, let stops):
            "refused\(stops ? ", and the whole provider is paused" : ""): \(words(failure))"
        case .probablyRefused(let failure): "probably refused, not proven: \(words(failure))"
        case .unknown(let failure): "proves nothing, so it is never sent again by itself: \(words(failure))"
        }
    }

    private func words(_ verdict: LookupVerdict) -> String {
        switch verdict {
        case .observed(let observation): words(observation.verdict)
        case .notFound: "the provider does not know the task"
        case .throttled(let failure, _): "no record, asked again later: \(words(failure))"
        case .failed(let failure, _): "no record, asked again: \(words(failure))"
        }
    }

    private func words(_ verdict: Observation.Verdict) -> String {
        switch verdict {
        case .pending: "running"
        case .succeeded(let partial):
            (partial ? "succeeded in part" : "succeeded") + (fetchesResult ? "; the result is fetched next" : "")
        case .failed(let failure): "failed: \(words(failure))"
        }
    }

    private func words(_ failure: TaskFailure) -> String { "\(failure.code): \(failure.message)" }
}

extension StateRule {
    /// What the rule looked at.
    fileprivate func text(_ record: JSONValue) -> String {
        var parts: [String] = []
        if let at { parts.append("\(at) says \(record.values(at: at).map(\.text).joined(separator: ", "))") }
        if let word = unlistedWords(in: record).first(where: { meaning(ofWord: $0) != nil }) {
            parts.append("which is listed in another case than \"\(word)\"")
        }
        if !present.isEmpty { parts.append("\(present.map(\.description).joined(separator: ", ")) is there") }
        if !absent.isEmpty { parts.append("\(absent.map(\.description).joined(separator: ", ")) is not there") }
        if !httpStatuses.isEmpty { parts.append("by the HTTP status") }
        return parts.isEmpty ? "the default" : parts.joined(separator: ", ")
    }
}
