import TaskModel
package import VerbatimJSON

/// How a recorded reply would be read, and why.
package struct ReplyExplanation: Sendable, Hashable {
    /// As the reply to a submission.
    package let submission: String
    /// As the reply to a status query.
    package let record: String
    /// The rule that decided about the record.
    package let rule: String
    /// What stands where the definition says that results are.
    package let results: [(pointer: JSONPointer, value: JSONValue)]
    package let progress: Double?

    package static func == (left: Self, right: Self) -> Bool {
        left.submission == right.submission && left.record == right.record && left.rule == right.rule
            && left.results.map(\.pointer) == right.results.map(\.pointer)
            && left.results.map(\.value) == right.results.map(\.value) && left.progress == right.progress
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(submission)
        hasher.combine(record)
        hasher.combine(rule)
    }
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
        let results = artefacts.flatMap { pointer in
            (body?.values(at: pointer) ?? []).map { (pointer: pointer, value: $0) }
        }
        return ReplyExplanation(
            submission: words(for: readSubmission(reply)), record: lookup.map(words) ?? "nothing",
            rule: rule(of: reply, body, lookup), results: results, progress: progress)
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
        if !present.isEmpty { parts.append("\(present.map(\.description).joined(separator: ", ")) is there") }
        if !absent.isEmpty { parts.append("\(absent.map(\.description).joined(separator: ", ")) is not there") }
        if !httpStatuses.isEmpty { parts.append("by the HTTP status") }
        return parts.isEmpty ? "the default" : parts.joined(separator: ", ")
    }
}
