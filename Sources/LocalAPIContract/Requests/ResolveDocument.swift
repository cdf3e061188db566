package import VerbatimJSON

/// How a person settles an uncertain submission.
package enum ResolveDocument: Sendable, Hashable {
    /// The provider has it under this id.
    case adopt(remoteID: String)
    /// The provider does not have it: send it again.
    case resubmit
    /// Let it go; it ends with `submission_lost`.
    case giveUp

    /// Reads `{"as": …, "remote_id": …}`; the id must be there with `adopt` and nowhere else.
    package init(json: JSONValue) throws(ContractError) {
        let reader = try DocumentReader(json, knowing: ["as", "remote_id"])
        let way = try reader.word("as")
        switch way {
        case "adopt":
            self = .adopt(remoteID: try reader.word("remote_id"))
            return
        case "resubmit": self = .resubmit
        case "give_up": self = .giveUp
        default: throw .invalidValue(field: "as", rule: "must be adopt, resubmit or give_up")
        }
        guard reader.value("remote_id") == nil else {
            throw .invalidValue(field: "remote_id", rule: "belongs to adopt and says nothing with \(way)")
        }
    }

    /// The document as a client sends it.
    package var json: JSONValue {
        switch self {
        case .adopt(let remoteID): ["as": "adopt", "remote_id": .string(remoteID)]
        case .resubmit: ["as": "resubmit"]
        case .giveUp: ["as": "give_up"]
        }
    }
}
