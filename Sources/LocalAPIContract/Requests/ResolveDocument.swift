package import VerbatimJSON

/// A person's decision about an uncertain submission.
package enum ResolveDocument: Sendable, Hashable {
    /// The provider has it under this id, in this account.
    case adopt(remoteID: String, account: String? = nil)
    /// The provider does not have it: send it again.
    case resubmit
    /// Give it up: it ends with `submission_lost`.
    case giveUp

    /// Parses `{"as": …, "remote_id": …, "account": …}`. `adopt` requires the id; the others allow neither member.
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
            throw .invalidValue(field: name, rule: "is only valid with adopt, not with \(way)")
        }
    }

    /// The document as JSON.
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
