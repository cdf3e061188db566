package import VerbatimJSON

/// What a program sends to have a task submitted.
package struct SubmitDocument: Sendable, Hashable {
    /// `service/operation`.
    package var endpoint: String
    /// The provider's business: an object, passed on unchanged.
    package var request: JSONValue
    /// Makes the submission repeatable: 1 to 255 visible ASCII characters.
    package var idempotencyKey: String?
    package var labels: [String: String]
    /// −1000 to 1000; higher goes first; none means 0.
    package var priority: Int?
    /// RFC 3339, or a span such as `+2h`; the reader of the document validates it.
    package var notBefore: String?
    /// RFC 3339, or a span such as `+2h`; the reader of the document validates it.
    package var deadline: String?
    /// One of ``EnvelopeRules/uncertainPolicies``; none means the daemon's setting.
    package var onUncertain: String?

    package init(
        endpoint: String, request: JSONValue, idempotencyKey: String? = nil, labels: [String: String] = [:],
        priority: Int? = nil, notBefore: String? = nil, deadline: String? = nil, onUncertain: String? = nil
    ) {
        self.endpoint = endpoint
        self.request = request
        self.idempotencyKey = idempotencyKey
        self.labels = labels
        self.priority = priority
        self.notBefore = notBefore
        self.deadline = deadline
        self.onUncertain = onUncertain
    }

    /// Reads the document and checks everything that can be checked without a clock or a catalog.
    package init(json: JSONValue) throws(ContractError) {
        let reader = try DocumentReader(json, knowing: Self.fields)
        endpoint = try reader.word("endpoint")
        request = .object(try reader.required("request", reader.object))
        idempotencyKey = try reader.string("idempotency_key")
        if let idempotencyKey { try EnvelopeRules.check(idempotencyKey: idempotencyKey) }
        labels = try reader.labels()
        priority = try reader.priority()
        notBefore = try reader.string("not_before")
        deadline = try reader.string("deadline")
        onUncertain = try reader.string("on_uncertain")
        if let onUncertain, !EnvelopeRules.uncertainPolicies.contains(onUncertain) {
            throw .invalidValue(field: "on_uncertain", rule: "must be hold, resubmit_if_absent or fail")
        }
    }

    /// The document without the fields that say nothing.
    package var json: JSONValue {
        var object = JSONObject([("endpoint", .string(endpoint)), ("request", request)])
        object["idempotency_key"] = idempotencyKey.map(JSONValue.string)
        if !labels.isEmpty { object["labels"] = JSONValue(labels) }
        object["priority"] = priority.map { .number(JSONNumber($0)) }
        object["not_before"] = notBefore.map(JSONValue.string)
        object["deadline"] = deadline.map(JSONValue.string)
        object["on_uncertain"] = onUncertain.map(JSONValue.string)
        return .object(object)
    }

    private static let fields = [
        "endpoint", "request", "idempotency_key", "labels", "priority", "not_before", "deadline", "on_uncertain",
    ]
}
