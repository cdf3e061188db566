package import VerbatimJSON

/// ResolveDocument is a person's decision about an uncertain submission.
package enum ResolveDocument: Sendable, Hashable {
    /// The provider has it under this id.
    case adopt(remoteID: String)
    /// The provider does not have it: send it again.
    case resubmit
    /// Give it up: it ends with `submission_lost`.
    case giveUp

    /// Reads `{"as": …, "remote_id": …}`; the id must be there with `adopt` and nowhere else.
    package init(json: JSONValue) throws(ContractError) {
        var coder = try MemberCoder(reading: json)
        try coder.refuseUnknown(besides: ["as", "remote_id"])
        var way = ""
        try coder.required("as", &way, EnvelopeRules.check(word:named:))
        switch way {
        case "adopt":
            var remoteID = ""
            try coder.required("remote_id", &remoteID, EnvelopeRules.check(word:named:))
            self = .adopt(remoteID: remoteID)
            return
        case "resubmit": self = .resubmit
        case "give_up": self = .giveUp
        default: throw .invalidValue(field: "as", rule: "must be adopt, resubmit or give_up")
        }
        guard try coder.read("remote_id", as: JSONValue.self) == nil else {
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
