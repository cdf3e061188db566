import LocalAPIContract
import TaskEngine
import TaskModel
import VerbatimJSON

extension Submission {
    /// What a client asks for, with its times and words read.
    ///
    /// The key may come in the body or in the header; where both are given they must be the same.
    init(_ document: SubmitDocument, headerKey: String?) throws(ContractError) {
        if let headerKey { try EnvelopeRules.check(idempotencyKey: headerKey) }
        if let headerKey, let bodyKey = document.idempotencyKey, headerKey != bodyKey {
            throw .invalidValue(field: "idempotency_key", rule: "differs from the Idempotency-Key header")
        }
        self.init(
            endpoint: document.endpoint, request: document.request.object ?? JSONObject(),
            idempotencyKey: document.idempotencyKey ?? headerKey, labels: document.labels,
            priority: document.priority ?? 0, notBefore: try StatedTime(document.notBefore, of: "not_before"),
            deadline: try StatedTime(document.deadline, of: "deadline"),
            onUncertain: document.onUncertain.flatMap(UncertainPolicy.init(rawValue:)))
    }
}

extension StatedTime {
    /// A time that a client gave in a field.
    init?(_ text: String?, of field: String) throws(ContractError) {
        guard let text else { return nil }
        if let span = TimeSpan.fromNow(text) {
            self = .after(span)
            return
        }
        guard let time = Timestamp(rfc3339: text) else {
            throw .invalidValue(
                field: field, rule: "must be a time in RFC 3339, as in 2026-11-23T14:05:09Z, or a span, as in +2h")
        }
        self = .at(time)
    }
}
