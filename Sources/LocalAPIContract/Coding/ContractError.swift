import VerbatimJSON

/// Why a document does not keep to the contract; each case names the field.
package enum ContractError: Error, Sendable, Hashable {
    /// The document, or what stands at `field`, is of the wrong kind: "an object", "a string".
    case wrongType(field: String?, expected: String, found: String)
    /// A field that must be there is not.
    case missingField(String)
    /// A field that the contract does not know; refused, because a misspelt `deadline` would silently do nothing.
    case unknownField(String, nearest: String?)
    /// The kind is right, the value is not; `rule` completes the sentence "priority …".
    case invalidValue(field: String, rule: String)

    /// Stable word of the contract.
    package var code: String {
        switch self {
        case .wrongType, .invalidValue: ProblemCode.invalidField
        case .missingField: ProblemCode.missingField
        case .unknownField: ProblemCode.unknownField
        }
    }

    /// Dotted path of the field at fault; nil for the document as a whole.
    package var field: String? {
        switch self {
        case .wrongType(let field, _, _): field
        case .missingField(let field), .unknownField(let field, _), .invalidValue(let field, _): field
        }
    }

    /// A sentence for people that says what to write instead.
    package var message: String {
        switch self {
        case .wrongType(let field, let expected, let found):
            "\(field.map { "`\($0)`" } ?? "The document") must be \(expected), not \(found)."
        case .missingField(let field):
            "`\(field)` is missing."
        case .unknownField(let field, let nearest):
            "There is no field `\(field)`" + (nearest.map { "; did you mean `\($0)`?" } ?? ".")
        case .invalidValue(let field, let rule):
            "`\(field)` \(rule)."
        }
    }

    /// The answer that a server gives to it.
    package var problem: ProblemDocument {
        var members: [(String, JSONValue)] = []
        if let field { members.append(("fields", [.string(field)])) }
        if case .unknownField(_, let nearest?) = self { members.append(("nearest", [.string(nearest)])) }
        return ProblemDocument(
            status: 422, code: code, title: "The document was not accepted", detail: message,
            members: JSONObject(members))
    }
}
