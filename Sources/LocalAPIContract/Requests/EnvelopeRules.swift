import VerbatimJSON

/// The bounds of what a program may send; the OpenAPI document says the same.
package enum EnvelopeRules {
    /// A number of labels that no honest use exceeds.
    package static let maxLabels = 64
    /// In Unicode scalars, as JSON Schema counts.
    package static let labelNameLength = 1...64
    /// In Unicode scalars.
    package static let maxLabelValueLength = 256
    /// In visible ASCII characters.
    package static let idempotencyKeyLength = 1...255
    /// Higher goes first.
    package static let priority = -1000...1000
    /// What may be done with a submission whose outcome stays unknown.
    package static let uncertainPolicies = ["hold", "resubmit_if_absent", "fail"]

    /// Checks a key that came in the body or in the `Idempotency-Key` header.
    package static func check(idempotencyKey: String) throws(ContractError) {
        guard idempotencyKeyLength.contains(idempotencyKey.utf8.count),
            idempotencyKey.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else {
            throw .invalidValue(field: "idempotency_key", rule: "must be 1 to 255 visible ASCII characters")
        }
    }
}

extension DocumentReader {
    func labels() throws(ContractError) -> [String: String] {
        let labels = try strings("labels") ?? [:]
        guard labels.count <= EnvelopeRules.maxLabels else {
            throw .invalidValue(field: "labels", rule: "may hold at most \(EnvelopeRules.maxLabels) labels")
        }
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) {
            guard EnvelopeRules.labelNameLength.contains(name.unicodeScalars.count) else {
                throw .invalidValue(field: "labels", rule: "must have names of 1 to 64 characters")
            }
            guard !(name + value).unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f }) else {
                throw .invalidValue(field: "labels", rule: "must not hold control characters")
            }
            guard value.unicodeScalars.count <= EnvelopeRules.maxLabelValueLength else {
                throw .invalidValue(field: "labels.\(name)", rule: "may have at most 256 characters")
            }
        }
        return labels
    }

    func priority() throws(ContractError) -> Int? {
        guard let priority = try integer("priority") else { return nil }
        guard EnvelopeRules.priority.contains(priority) else {
            throw .invalidValue(field: "priority", rule: "must be between -1000 and 1000")
        }
        return priority
    }

    /// A string with at least one character.
    func word(_ name: String) throws(ContractError) -> String {
        let word = try required(name, string)
        guard !word.isEmpty else { throw .invalidValue(field: name, rule: "must not be empty") }
        return word
    }
}
