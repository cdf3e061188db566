import TaskModel
import VerbatimJSON

/// The meanings of codes, messages and statuses in an endpoint's replies. Both dialects use it.
struct ResponseRules: Sendable, Hashable {
    let endpoint: EndpointName
    let provider: ProviderName
    var codes = ReplyCodes()
    /// Where a refusal gives its wait, besides `Retry-After`.
    var wait: WaitPlace?
    /// The status words that are known without a definition.
    var words = StatusVocabulary()

    /// Creates rules with HTTP's own statuses and the general words only.
    init(endpoint: EndpointName, provider: ProviderName) {
        self.endpoint = endpoint
        self.provider = provider
    }

    /// How long a provider that refuses requests now asks Pollux to wait; nil if it does not say.
    func retryAfter(_ reply: UpstreamReply, _ body: JSONValue?) -> Duration? {
        [reply.retryAfter, wait?.wait(in: reply, body)].compactMap(\.self).max()
    }

    /// The longest wait that a successful reply asks for, at most ten minutes, so that the result is noticed in time.
    func minimumPollDelay(from reply: UpstreamReply, saying place: WaitPlace? = nil) -> Duration? {
        guard 200...299 ~= reply.status else { return nil }
        let told = place.flatMap { place in
            // An unreadable body has no wait.
            place.wait(in: reply, place.at.isEmpty ? nil : try? JSONValue(parsing: reply.body, limits: .lenient))
        }
        guard let longest = [told, reply.retryAfter].compactMap(\.self).max() else { return nil }
        return min(longest, .seconds(600))
    }
}

/// The error codes, messages and HTTP statuses with a meaning beyond "this request was refused".
struct ReplyCodes: Sendable, Hashable {
    /// The meanings of codes, by code in lower case.
    var codes: [String: ReplyMeaning] = [:]
    /// The meanings of messages that contain a text, by text in lower case.
    var texts: [String: ReplyMeaning] = [:]
    /// The meanings of HTTP statuses.
    var statuses: [Int: ReplyMeaning] = [:]
    /// The hints for people, by code; `{endpoint}` stands for the endpoint's name.
    var hints: [String: String] = [:]

    /// Creates empty tables.
    init() {}

    /// The meaning of a code and a message in the definition; nil if it has none.
    ///
    /// A text outranks a code, because one code often stands for several reasons. Of several matching texts the longest
    /// counts.
    func meaning(code: String?, message: String?) -> ReplyMeaning? {
        if let message, !texts.isEmpty {
            let message = message.lowercased()
            let found = texts.filter { message.contains($0.key) }
            if let text = found.max(by: { ($0.key.utf8.count, $0.key) < ($1.key.utf8.count, $1.key) }) {
                return text.value
            }
        }
        return code.flatMap { codes[$0.lowercased()] }
    }

    /// The hint for a code, if there is one.
    func hint(for code: String, at endpoint: EndpointName) -> String? {
        hints[code.lowercased()]?.replacing("{endpoint}", with: endpoint.text)
    }
}

/// The meanings that a definition can give to a code, a message or an HTTP status.
enum ReplyMeaning: String, Sendable, Hashable, CaseIterable {
    /// The account accepts no requests until a person repairs it. This request may then be sent again.
    case stopsAccount = "stops_account"
    /// The same, but this task has failed.
    case refusedStopsAccount = "refused_stops_account"
    /// Not accepted now, but perhaps later.
    case throttled
    /// The requested id is not known.
    case unknownTask = "unknown_task"
    /// The provider stopped waiting. The task may exist nevertheless.
    case outcomeUnknown = "outcome_unknown"
    /// A fault behind the gateway, which some services report with a 2xx status.
    case serverFault = "server_fault"
    /// Not accepted, and never will be, also under a 2xx status.
    case refused
}
