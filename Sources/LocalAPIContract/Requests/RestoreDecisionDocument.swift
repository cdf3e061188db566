package import VerbatimJSON

/// A person's decision about a database that is an older copy.
package enum RestoreDecisionDocument: Sendable, Hashable {
    /// Sends the tasks that were not found, and ends the restore.
    case accept
    /// Searches the lists from that time. RFC 3339.
    case since(String)

    /// Parses `{"accept": true}` or `{"since": "…"}`; exactly one of them.
    package init(json: JSONValue) throws(ContractError) {
        let coder = try MemberCoder(reading: json)
        try coder.refuseUnknown(besides: ["accept", "since"])
        let (accepts, since) = (try coder.read("accept", as: Bool.self), try coder.read("since", as: String.self))
        switch (accepts, since) {
        case (true?, nil): self = .accept
        case (nil, let since?): self = .since(since)
        default: throw .invalidValue(field: "accept", rule: "must be true, or since must be given instead")
        }
    }

    /// The document as JSON.
    package var json: JSONValue {
        switch self {
        case .accept: ["accept": true]
        case .since(let time): ["since": .string(time)]
        }
    }
}
