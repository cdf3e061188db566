package import VerbatimJSON

/// A person's decision about a database that is an older copy.
package enum RestoreDecisionDocument: Sendable, Hashable {
    /// Sends the tasks that were not found, and ends the restore.
    case accept
    /// Searches the lists from that time. RFC 3339.
    case since(String)
    /// Waits no longer for the journals of these machines.
    case without([String])

    /// Parses `{"accept": true}`, `{"since": "…"}` or `{"without": ["…"]}`; exactly one of them.
    package init(json: JSONValue) throws(ContractError) {
        let coder = try MemberCoder(reading: json)
        try coder.refuseUnknown(besides: ["accept", "since", "without"])
        let (accepts, since) = (try coder.read("accept", as: Bool.self), try coder.read("since", as: String.self))
        let machines = try coder.read("without", as: [String].self)
        switch (accepts, since, machines) {
        case (true?, nil, nil): self = .accept
        case (nil, let since?, nil): self = .since(since)
        case (nil, nil, let machines?) where !machines.isEmpty: self = .without(machines)
        default:
            throw .invalidValue(
                field: "accept", rule: "must be true, or one of since and without must be given instead")
        }
    }

    /// The document as JSON.
    package var json: JSONValue {
        switch self {
        case .accept: ["accept": true]
        case .since(let time): ["since": .string(time)]
        case .without(let machines): ["without": .array(machines.map { .string($0) })]
        }
    }
}
