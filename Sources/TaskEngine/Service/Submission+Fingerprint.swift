import Crypto
import TaskModel
import TaskStore
import VerbatimJSON

extension Submission {
    /// The SHA-256 digest of everything that makes two submissions the same: all fields except the key, by value,
    /// regardless of order.
    ///
    /// A time given as a duration is not part of it, because it means another moment when the command is repeated.
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

    /// The SHA-256 digest of what makes two submissions of agents equal: endpoint, request and the label `agent`. Other labels
    /// and times vary when a model repeats a call.
    func contentKey(of endpoint: EndpointName) -> [UInt8] {
        var parts = JSONObject([("endpoint", .string(endpoint.text)), ("request", .object(request))])
        parts["agent"] = labels["agent"].map { .string($0) }
        return Array(SHA256.hash(data: JSONValue.object(parts).canonical.utf8))
    }

    /// The differences from a task that was submitted before; empty if both request the same.
    ///
    /// Fingerprints of older versions depended on the spelling of numbers and stored durations as moments. So if two
    /// fingerprints differ, this decides.
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
        // Nothing else differs, so the request does. That of a stub was removed.
        if before.isStub, differences.isEmpty { compare("request", "(removed)", .object(request)) }
        return differences
    }
}
