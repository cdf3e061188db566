import TaskModel
import VerbatimJSON

/// What replies of an endpoint mean by their codes, messages and statuses, as data; both dialects have it.
struct ResponseRules: Sendable, Hashable {
    let endpoint: EndpointName
    let provider: ProviderName
    var codes = ReplyCodes()
    /// Where a refusal says how long to wait, besides `Retry-After`.
    var wait: WaitPlace?
    /// The words for a task's state that are known beyond any definition.
    var words = StatusVocabulary()

    /// Knows nothing but HTTP's own statuses and the general words.
    init(endpoint: EndpointName, provider: ProviderName) {
        self.endpoint = endpoint
        self.provider = provider
    }

    /// How long a provider that takes no requests now asks to be left alone; nil where it does not say.
    func retryAfter(_ reply: UpstreamReply, _ body: JSONValue?) -> Duration? {
        [reply.retryAfter, wait?.wait(in: reply, body)].compactMap(\.self).max()
    }

    /// The longest wait that a successful reply asks for. Ten minutes at most, so that a result is noticed some day.
    func minimumPollDelay(from reply: UpstreamReply, saying place: WaitPlace? = nil) -> Duration? {
        guard 200...299 ~= reply.status else { return nil }
        let told = place.flatMap { place in
            // A body that cannot be read has no wait.
            place.wait(in: reply, place.at.isEmpty ? nil : try? JSONValue(parsing: reply.body, limits: .lenient))
        }
        guard let longest = [told, reply.retryAfter].compactMap(\.self).max() else { return nil }
        return min(longest, .seconds(600))
    }
}

/// The error codes, messages and HTTP statuses that mean more than "this request was refused".
struct ReplyCodes: Sendable, Hashable {
    /// What codes mean, by the codes in lower case.
    var codes: [String: ReplyMeaning] = [:]
    /// What messages mean that contain a text, by the texts in lower case.
    var texts: [String: ReplyMeaning] = [:]
    /// What HTTP statuses mean.
    var statuses: [Int: ReplyMeaning] = [:]
    /// What a person can do about a code; `{endpoint}` stands for the endpoint's name.
    var hints: [String: String] = [:]

    /// Lists nothing.
    init() {}

    /// What a definition says of a code and a message; nil where it says nothing.
    ///
    /// A text goes before a code, since one code often stands for several reasons. Of several texts the
    /// longest counts.
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

    /// What a person can do about a code, where anything is known.
    func hint(for code: String, at endpoint: EndpointName) -> String? {
        hints[code.lowercased()]?.replacing("{endpoint}", with: endpoint.text)
    }
}

/// What a definition says that a code, a message or an HTTP status means.
enum ReplyMeaning: String, Sendable, Hashable, CaseIterable {
    /// No request of this account is accepted until a person repairs it; this one may be sent again then.
    case stopsAccount = "stops_account"
    /// The same, and this task has ended.
    case refusedStopsAccount = "refused_stops_account"
    /// Not accepted; later it may be.
    case throttled
    /// The id that was asked for is not known.
    case unknownTask = "unknown_task"
    /// The provider gave up waiting; the task may exist all the same.
    case outcomeUnknown = "outcome_unknown"
    /// A fault behind the gateway, which some services report with a 2xx status.
    case serverFault = "server_fault"
    /// Not accepted, and never will be, also under a 2xx status.
    case refused
}
