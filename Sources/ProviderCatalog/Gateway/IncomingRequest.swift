package import TaskModel
package import VerbatimJSON

/// A request of a program to the gateway, in the provider's own form.
package struct IncomingRequest: Sendable {
    /// `POST`, `GET` …
    package let method: String
    /// Below the provider's base URL, with a leading slash, escaped as it was received.
    package let path: String
    /// The header fields by their names in small letters.
    package let headers: [String: String]
    /// The members of a JSON body, or the fields of a form; nil for any other body and for none.
    package let fields: JSONObject?

    package init(method: String, path: String, headers: [String: String] = [:], fields: JSONObject? = nil) {
        self.method = method
        self.path = path
        self.headers = headers
        self.fields = fields
    }

    /// Whether the program asks the server to wait for the result, and for how long (RFC 7240).
    package var wait: PreferredWait? { headers["prefer"].flatMap(PreferredWait.init) }
}

/// The `wait` of a `Prefer` header field.
package enum PreferredWait: Sendable, Hashable {
    /// As long as the server is willing to.
    case unlimited
    case upTo(Duration)

    /// Reads the header field; nil where it does not ask for that.
    init?(_ text: String) {
        for part in text.split(separator: ",") {
            let words = part.split(separator: ";").first?.split(separator: "=", maxSplits: 1) ?? []
            guard words.first?.filter({ !$0.isWhitespace }).lowercased() == "wait" else { continue }
            guard words.count == 2 else {
                self = .unlimited
                return
            }
            guard let seconds = Double(words[1].filter { !$0.isWhitespace && $0 != "\"" }), seconds >= 0 else {
                continue
            }
            self = .upTo(.seconds(rounding: min(seconds, 86_400)))
            return
        }
        return nil
    }
}

/// What a request asks for, as far as the gateway answers it. All other requests pass through.
package enum GatewayOperation: Sendable, Hashable {
    /// Submits a task with these members. `isInline` if the reply is to be the result.
    case submit(JSONObject, isInline: Bool)
    /// Asks for one task.
    case poll(RemoteTaskID)
    /// Asks for several tasks.
    case polls([RemoteTaskID])
    /// Ends a task.
    case cancel(RemoteTaskID)
    /// Asks for the result of a task where its record does not have it.
    case result(RemoteTaskID)
}

/// A reply of the gateway in the provider's form.
package struct GatewayReply: Sendable, Hashable {
    package var status: Int
    package var contentType: String
    package var body: [UInt8]

    package init(status: Int = 200, contentType: String = "application/json", body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    package init(status: Int = 200, _ json: JSONValue) { self.init(status: status, body: json.utf8) }

    /// The body as JSON; nil where it is something else.
    package var json: JSONValue? { try? JSONValue(parsing: body, limits: .lenient) }
}

/// What the gateway knows of a task, from which a dialect makes replies.
package struct GatewayTask: Sendable {
    /// How far it is, in the only words that every provider has.
    package enum Phase: Sendable, Hashable {
        case pending
        case succeeded
        case failed(TaskFailure)
    }

    /// The provider's id; ours as long as that is unknown.
    package var id: RemoteTaskID
    package var phase: Phase
    package var request: JSONObject
    package var createdAt: Timestamp
    package var endedAt: Timestamp?
    /// The provider's latest record.
    package var record: JSONValue?
    /// Whether that record shows the outcome.
    package var recordShowsOutcome: Bool
    /// Whether that record is the reply to the submission, which was the result already.
    package var isAnsweredInline = false
    /// The provider's reply to the submission.
    package var acceptance: JSONValue?
    /// Where the provider's paths begin at the gateway, without a trailing slash.
    package var address: String

    package init(
        id: RemoteTaskID, phase: Phase, request: JSONObject, createdAt: Timestamp, endedAt: Timestamp? = nil,
        record: JSONValue? = nil, recordShowsOutcome: Bool = false, acceptance: JSONValue? = nil, address: String
    ) {
        self.id = id
        self.phase = phase
        self.request = request
        self.createdAt = createdAt
        self.endedAt = endedAt
        self.record = record
        self.recordShowsOutcome = recordShowsOutcome
        self.acceptance = acceptance
        self.address = address
    }
}

/// The inverse of a dialect: recognises what a program sends to the provider, and answers in the provider's form.
package protocol GatewayDialect: Sendable {
    /// Whether the body of a POST to that path decides what it asks for.
    func reads(_ path: String) -> Bool
    /// Recognises a request; nil where it is none of this endpoint's. Of several endpoints the most specific match counts.
    func match(_ request: IncomingRequest) -> (operation: GatewayOperation, specificity: Int)?
    /// The reply to a submission that the provider has not answered yet.
    func accepted(_ task: GatewayTask) -> GatewayReply
    /// The record of a task.
    func record(_ task: GatewayTask) -> JSONValue
    /// The reply to a look-up of several tasks.
    func batch(_ records: [JSONValue]) -> JSONValue
    /// The reply to a submission that waited for the result. The task has ended.
    func inline(_ task: GatewayTask) -> GatewayReply
    /// The header field that says when to ask again; nil where the provider has none.
    func pollDelay(_ wait: Duration) -> (name: String, value: String)?
    /// The parameter of the address that holds a callback URL; nil where a member of the request does.
    var callbackParameter: String? { get }
    /// Whether the results of a task are files behind the provider's token.
    var resultIsFile: Bool { get }
}

extension ProviderCatalog {
    /// Recognises a request to a provider. Several endpoints may share an operation, as they share look-ups.
    package func match(
        _ request: IncomingRequest, of provider: ProviderName
    ) -> (operation: GatewayOperation, endpoints: [EndpointProfile])? {
        var best: (operation: GatewayOperation, specificity: Int, endpoints: [EndpointProfile])?
        for endpoint in endpoints where endpoint.provider == provider {
            guard let (operation, specificity) = endpoint.dialect.gateway.match(request) else { continue }
            if let known = best, known.specificity > specificity { continue }
            if let known = best, known.specificity == specificity, known.operation == operation {
                best?.endpoints.append(endpoint)
            } else if best.map({ $0.specificity < specificity }) ?? true {
                best = (operation, specificity, [endpoint])
            }
        }
        return best.map { ($0.operation, $0.endpoints) }
    }
}
