package import TaskModel
import VerbatimJSON

/// How the daemon would read a recorded reply, and why.
package struct ReplyExplanation: Sendable, Hashable {
    /// As the reply to a submission.
    package let submission: String
    /// As the reply to a status query.
    package let record: String
    /// The rule that decided about the record.
    package let rule: String
    /// The results that the daemon would show.
    package let results: [TaskResult]
    /// Whether the task would count as succeeded.
    package let hasSucceeded: Bool
    package let progress: Double?
}

extension EndpointProfile {
    /// Reads a recorded reply as the daemon would, and names the rule that decided.
    package func explain(_ reply: UpstreamReply) -> ReplyExplanation {
        // A body that is not JSON is explained below.
        let body = try? JSONValue(parsing: reply.body, limits: .lenient)
        let explained = dialect.explanation(of: body ?? .null, httpStatus: reply.status)
        let lookup = (explained.id ?? RemoteTaskID("recorded")).map { dialect.readLookup(reply, of: $0) }
        var rule = "its status and codes, before any rule about records"
        var seen: Observation?
        if case .observed(let observation) = lookup {
            rule = explained.rule
            seen = observation
        }
        var hasSucceeded = false
        if case .succeeded = seen?.verdict { hasSucceeded = true }
        // If the result is fetched separately, the reply may be the fetched result or the record before it.
        let fetched = resultFetching == nil ? [] : body.map { dialect.results(in: $0, of: explained.id) } ?? []
        return ReplyExplanation(
            submission: words(for: dialect.readSubmission(reply)), record: lookup.map(words) ?? "nothing", rule: rule,
            results: hasSucceeded ? seen?.results ?? [] : fetched, hasSucceeded: hasSucceeded,
            progress: seen?.progress)
    }

    private func words(for verdict: SubmitVerdict) -> String {
        switch verdict {
        case .accepted(let id, _, let url): "accepted as \(id)" + (url.map { ", to be polled at \($0)" } ?? "")
        case .answered(let observation, _): "the result at once: \(words(observation.verdict))"
        case .throttled(let failure, _): "not accepted now, perhaps later: \(words(failure))"
        case .stopped(let failure, .account): "not accepted, and the whole provider is paused: \(words(failure))"
        case .stopped(let failure, .endpoint): "not accepted, and the endpoint is paused: \(words(failure))"
        case .refused(let failure, let suspends):
            "refused\(suspends ? ", and the whole provider is paused" : ""): \(words(failure))"
        case .probablyRefused(let failure, _): "probably refused, not proven: \(words(failure))"
        case .unknown(let failure): "proves nothing, so it is never resent automatically: \(words(failure))"
        }
    }

    private func words(_ verdict: LookupVerdict) -> String {
        switch verdict {
        case .observed(let observation): words(observation.verdict)
        case .notFound: "the provider does not know the task"
        case .throttled(let failure, _): "no record, polled again later: \(words(failure))"
        case .failed(let failure, _): "no record, polled again: \(words(failure))"
        }
    }

    private func words(_ verdict: Observation.Verdict) -> String {
        switch verdict {
        case .pending: "running"
        case .succeeded(let partial):
            (partial ? "succeeded in part" : "succeeded")
                + (resultFetching != nil ? "; the result is fetched next" : "")
        case .failed(let failure): "failed: \(words(failure))"
        }
    }

    private func words(_ failure: TaskFailure) -> String { "\(failure.code): \(failure.message)" }
}
