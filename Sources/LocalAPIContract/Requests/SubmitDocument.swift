package import VerbatimJSON

/// A request to submit a task.
package struct SubmitDocument: ContractDocument {
    /// `service/operation`.
    package var endpoint = ""
    /// An object that is passed on to the provider unchanged.
    package var request = JSONValue.object(JSONObject())
    /// Makes the submission repeatable: 1 to 255 visible ASCII characters.
    package var idempotencyKey: String?
    package var labels: [String: String] = [:]
    /// −1000 to 1000, 0 by default. Higher priorities come first.
    package var priority: Int?
    /// RFC 3339, or a duration such as `+2h`. The reader of the document validates it.
    package var notBefore: String?
    /// RFC 3339, or a duration such as `+2h`. The reader of the document validates it.
    package var deadline: String?
    /// One of ``EnvelopeRules/uncertainPolicies``; by default the daemon's setting.
    package var onUncertain: String?
    /// A free text that is shown with the task, at most 200 characters. It is not part of the idempotency comparison.
    package var note: String?
    /// The name of a destination, or an address where the settings allow it, that is notified of the task in any case. No part
    /// of the comparison either.
    package var notify: String?
    /// Whether it joins the task of an equal submission with the same label `agent`, while that is open and for ten minutes after
    /// its end unless that was collected. No part of the comparison of keys either.
    package var join: Bool?

    /// Whether the files of its results are fetched; none means the daemon's settings. True does not go over them.
    package var capture: Bool?

    package static let isRequest = true

    package init() {}

    /// Creates a submission with defaults for all other members.
    package init(endpoint: String, request: JSONValue, idempotencyKey: String? = nil) {
        self.endpoint = endpoint
        self.request = request
        self.idempotencyKey = idempotencyKey
    }

    /// Checks everything that can be checked without a clock or a catalog.
    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("endpoint", &endpoint, EnvelopeRules.check(word:named:))
        try coder.required("request", &request) { request, name throws(ContractError) in
            guard case .object = request else {
                throw .wrongType(field: name, expected: "an object", found: request.kind)
            }
        }
        try coder.member("idempotency_key", &idempotencyKey) { key, _ throws(ContractError) in
            try EnvelopeRules.check(idempotencyKey: key)
        }
        try coder.member("labels", &labels, EnvelopeRules.check(labels:named:))
        try coder.member("priority", &priority, EnvelopeRules.check(priority:named:))
        try coder.member("not_before", &notBefore)
        try coder.member("deadline", &deadline)
        try coder.member("on_uncertain", &onUncertain) { policy, name throws(ContractError) in
            guard EnvelopeRules.uncertainPolicies.contains(policy) else {
                throw .invalidValue(field: name, rule: "must be hold, resubmit_if_absent or fail")
            }
        }
        try coder.member("capture", &capture)
        try coder.member("note", &note, EnvelopeRules.check(note:named:))
        try coder.member("notify", &notify, EnvelopeRules.check(notify:named:))
        try coder.member("join", &join)
    }

    /// The document, with each missing member taken from the defaults. Labels are merged one by one.
    package func filled(from defaults: SubmitDocument) throws(ContractError) -> SubmitDocument {
        var members = json.object ?? JSONObject()
        for member in defaults.json.object?.members ?? [] where members[member.name] == nil {
            members[member.name] = member.value
        }
        var filled = try SubmitDocument(json: .object(members))
        filled.labels = labels.merging(defaults.labels) { own, _ in own }
        return filled
    }
}
