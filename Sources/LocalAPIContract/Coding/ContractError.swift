import VerbatimJSON

/// Why a document violates the contract. Each case names the field.
package enum ContractError: Error, Sendable, Hashable {
    /// The document, or the value of `field`, has the wrong type: "an object", "a string".
    case wrongType(field: String?, expected: String, found: String)
    /// A required field is missing.
    case missingField(String)
    /// A field is unknown. It is rejected because a misspelt `deadline` would silently have no effect.
    case unknownField(String, nearest: String?)
    /// The type is right but the value is not. `rule` completes the sentence "priority …".
    case invalidValue(field: String, rule: String)

    /// A stable word of the contract.
    package var code: String {
        switch self {
        case .wrongType, .invalidValue: ProblemCode.invalidField
        case .missingField: ProblemCode.missingField
        case .unknownField: ProblemCode.unknownField
        }
    }

    /// The dotted path of the invalid field; nil for the whole document.
    package var field: String? {
        switch self {
        case .wrongType(let field, _, _): field
        case .missingField(let field), .unknownField(let field, _), .invalidValue(let field, _): field
        }
    }

    /// A sentence that says what to write instead.
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

    /// The problem document for this error.
    package var problem: ProblemDocument {
        var members: [(String, JSONValue)] = []
        if let field { members.append(("fields", [.string(field)])) }
        if case .unknownField(_, let nearest?) = self { members.append(("nearest", [.string(nearest)])) }
        return ProblemDocument(
            status: 422, code: code, title: "Invalid document", detail: message,
            members: JSONObject(members))
    }
}
