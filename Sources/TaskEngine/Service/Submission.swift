import Crypto
import FoundationEssentials
package import TaskModel
import TaskStore
package import VerbatimJSON

/// What a program asks for, with every field already of the right type.
package struct Submission: Sendable {
    package var endpoint: String
    package var request: JSONObject
    package var idempotencyKey: String?
    package var labels: [String: String]
    package var priority: Int
    package var notBefore: Timestamp?
    package var deadline: Timestamp?
    package var onUncertain: UncertainPolicy?

    package init(
        endpoint: String, request: JSONObject, idempotencyKey: String? = nil, labels: [String: String] = [:],
        priority: Int = 0, notBefore: Timestamp? = nil, deadline: Timestamp? = nil, onUncertain: UncertainPolicy? = nil
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
}

extension Submission {
    /// SHA-256 of everything but the key, whatever the order of its members: what makes two submissions the same.
    var fingerprint: [UInt8] {
        var parts = JSONObject([("endpoint", .string(endpoint)), ("request", .object(request))])
        parts["labels"] = .object(JSONObject(labels.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }))
        parts["priority"] = .number(JSONNumber(priority))
        parts["not_before"] = notBefore.map { .number(JSONNumber($0.milliseconds)) }
        parts["deadline"] = deadline.map { .number(JSONNumber($0.milliseconds)) }
        parts["on_uncertain"] = onUncertain.map { .string($0.rawValue) }
        return Array(SHA256.hash(data: JSONValue.object(parts).sortedByName.utf8))
    }

    /// The names of what differs from a task that was submitted before, for a message.
    func differences(from stored: StoredTask) -> [String] {
        var names: [String] = []
        if stored.task.endpoint.text != endpoint { names.append("endpoint") }
        let before = stored.payload.request.object ?? JSONObject()
        let members = Set(before.names).union(request.names).sorted()
        names += members.filter { before[$0] != request[$0] }.map { "request.\($0)" }
        if stored.task.labels != labels { names.append("labels") }
        if stored.task.priority != priority { names.append("priority") }
        if stored.task.notBefore != notBefore { names.append("not_before") }
        if stored.task.deadline != deadline { names.append("deadline") }
        if let onUncertain, stored.task.onUncertain != onUncertain { names.append("on_uncertain") }
        return names.isEmpty ? ["another field"] : names
    }
}

extension JSONValue {
    /// The same document with the members of every object in order of their names.
    fileprivate var sortedByName: JSONValue {
        switch self {
        case .null, .bool, .number, .string: self
        case .array(let elements): .array(elements.map(\.sortedByName))
        case .object(let object):
            .object(JSONObject(object.members.sorted { $0.name < $1.name }.map { ($0.name, $0.value.sortedByName) }))
        }
    }
}
