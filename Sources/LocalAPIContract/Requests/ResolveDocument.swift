package import VerbatimJSON

/// ResolveDocument is a person's decision about an uncertain submission.
package enum ResolveDocument: Sendable, Hashable {
    /// The provider has it under this id, of this account.
    case adopt(remoteID: String, account: String? = nil)
    /// The provider does not have it: send it again.
    case resubmit
    /// Give it up: it ends with `submission_lost`.
    case giveUp

    /// Reads `{"as": …, "remote_id": …, "account": …}`; the id must be there with `adopt`, and both nowhere else.
    package init(json: JSONValue) throws(ContractError) {
        var coder = try MemberCoder(reading: json)
        try coder.refuseUnknown(besides: ["as", "remote_id", "account"])
        var way = ""
        try coder.required("as", &way, EnvelopeRules.check(word:named:))
        switch way {
        case "adopt":
            var remoteID = ""
            var account: String?
            try coder.required("remote_id", &remoteID, EnvelopeRules.check(word:named:))
            try coder.member("account", &account, EnvelopeRules.check(word:named:))
            self = .adopt(remoteID: remoteID, account: account)
            return
        case "resubmit": self = .resubmit
        case "give_up": self = .giveUp
        default: throw .invalidValue(field: "as", rule: "must be adopt, resubmit or give_up")
        }
        for name in ["remote_id", "account"] where try coder.read(name, as: JSONValue.self) != nil {
            throw .invalidValue(field: name, rule: "belongs to adopt and says nothing with \(way)")
        }
    }

    /// The document as a client sends it.
    package var json: JSONValue {
        switch self {
        case .adopt(let remoteID, nil): ["as": "adopt", "remote_id": .string(remoteID)]
        case .adopt(let remoteID, let account?):
            ["as": "adopt", "remote_id": .string(remoteID), "account": .string(account)]
        case .resubmit: ["as": "resubmit"]
        case .giveUp: ["as": "give_up"]
        }
    }
}
