import Crypto
import TaskModel
import TaskStore
import VerbatimJSON

extension Submission {
    /// SHA-256 of what makes two submissions the same: everything but the key, by value, whatever the order of members.
    ///
    /// A time given as a span is no part of it: the same command means another moment when it is repeated.
    var fingerprint: [UInt8] {
        var parts = JSONObject([("endpoint", .string(endpoint)), ("request", .object(request))])
        parts["labels"] = .object(JSONObject(labels.map { ($0.key, .string($0.value)) }))
        parts["priority"] = .number(JSONNumber(priority))
        parts["not_before"] = (notBefore?.moment).map { .number(JSONNumber($0.milliseconds)) }
        parts["deadline"] = (deadline?.moment).map { .number(JSONNumber($0.milliseconds)) }
        parts["on_uncertain"] = onUncertain.map { .string($0.rawValue) }
        parts["capture"] = capture.map { .bool($0) }
        return Array(SHA256.hash(data: JSONValue.object(parts).canonical.utf8))
    }

    /// What differs from a task that was submitted before; nothing where both ask for the same.
    ///
    /// Fingerprints of older versions told spellings of one number apart and held spans as moments, so where two differ,
    /// this decides.
    func differences(from stored: TaskWithPayload) -> [SubmissionDifference] {
        let before = stored.task
        var differences: [SubmissionDifference] = []
        func compare(_ field: String, _ stored: JSONValue?, _ given: JSONValue?) {
            guard stored?.canonical != given?.canonical else { return }
            differences.append(SubmissionDifference(field: field, stored: stored, given: given))
        }
        func compare(_ field: String, _ stored: Timestamp?, _ given: StatedTime?) {
            if case .after = given { return }
            compare(field, stored.map { .string($0.rfc3339) }, (given?.moment).map { .string($0.rfc3339) })
        }
        compare("endpoint", .string(before.endpoint.text), .string(endpoint))
        let requestBefore = before.isStub ? request : stored.payload.request.object ?? JSONObject()
        for name in Set(requestBefore.names).union(request.names).sorted() {
            compare("request.\(name)", requestBefore[name], request[name])
        }
        for name in Set(before.labels.keys).union(labels.keys).sorted() {
            compare("labels.\(name)", before.labels[name].map { .string($0) }, labels[name].map { .string($0) })
        }
        compare("priority", .number(JSONNumber(before.priority)), .number(JSONNumber(priority)))
        compare("not_before", before.notBefore, notBefore)
        compare("deadline", before.deadline, deadline)
        if let onUncertain {
            compare("on_uncertain", .string(before.onUncertain.rawValue), .string(onUncertain.rawValue))
        }
        if let capture { compare("capture", .bool(before.capturesResults), .bool(capture)) }
        // Nothing else differs, so the request does, and that of a stub is gone.
        if before.isStub, differences.isEmpty { compare("request", "(removed)", .object(request)) }
        return differences
    }
}
