package import VerbatimJSON

/// ReplayRequestDocument says which events are sent to a destination once more.
package enum ReplayRequestDocument: Sendable, Hashable {
    /// All events of a task, named by its id or a unique prefix.
    case task(String)
    /// Everything since that time. RFC 3339.
    case since(String)
    /// What is not sent any more.
    case dead

    /// Reads `{"task": "…"}`, `{"since": "…"}` or `{"dead": true}`; exactly one of them.
    package init(json: JSONValue) throws(ContractError) {
        let coder = try MemberCoder(reading: json)
        try coder.refuseUnknown(besides: ["task", "since", "dead"])
        let task = try coder.read("task", as: String.self)
        let since = try coder.read("since", as: String.self)
        let dead = try coder.read("dead", as: Bool.self)
        switch (task, since, dead) {
        case (let task?, nil, nil) where !task.isEmpty: self = .task(task)
        case (nil, let since?, nil): self = .since(since)
        case (nil, nil, true?): self = .dead
        case (nil, nil, nil): throw .missingField("task")
        default:
            throw .invalidValue(
                field: task != nil ? "task" : "dead", rule: "must be the only member, and say something")
        }
    }

    /// The document as a client sends it.
    package var json: JSONValue {
        switch self {
        case .task(let id): ["task": .string(id)]
        case .since(let time): ["since": .string(time)]
        case .dead: ["dead": true]
        }
    }
}
