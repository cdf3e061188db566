/// The limits of what a program may send, as in the OpenAPI document.
package enum EnvelopeRules {
    /// The maximum number of labels per task.
    package static let maxLabels = 64
    /// In Unicode scalars, as JSON Schema counts.
    package static let labelNameLength = 1...64
    /// In Unicode scalars.
    package static let maxLabelValueLength = 256
    /// In visible ASCII characters.
    package static let idempotencyKeyLength = 1...255
    /// In Unicode scalars.
    package static let maxNoteLength = 200
    /// In Unicode scalars.
    package static let maxNotifyLength = 2_048
    /// Higher priorities come first.
    package static let priority = -1000...1000
    /// The policies for a submission whose outcome stays unknown.
    package static let uncertainPolicies = ["hold", "resubmit_if_absent", "fail"]

    /// Checks a key from the body or from the `Idempotency-Key` header.
    package static func check(idempotencyKey: String) throws(ContractError) {
        guard idempotencyKeyLength.contains(idempotencyKey.utf8.count),
            idempotencyKey.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else {
            throw .invalidValue(field: "idempotency_key", rule: "must be 1 to 255 visible ASCII characters")
        }
    }

    /// Checks labels.
    static func check(labels: [String: String], named field: String) throws(ContractError) {
        guard labels.count <= maxLabels else {
            throw .invalidValue(field: field, rule: "may hold at most \(maxLabels) labels")
        }
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) {
            guard labelNameLength.contains(name.unicodeScalars.count) else {
                throw .invalidValue(field: field, rule: "must have names of 1 to 64 characters")
            }
            guard !(name + value).unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f }) else {
                throw .invalidValue(field: field, rule: "must not hold control characters")
            }
            guard value.unicodeScalars.count <= maxLabelValueLength else {
                throw .invalidValue(field: "\(field).\(name)", rule: "may have at most 256 characters")
            }
        }
    }

    /// Checks a note.
    static func check(note: String, named field: String) throws(ContractError) {
        let length = note.unicodeScalars.count
        guard length <= maxNoteLength else {
            throw .invalidValue(field: field, rule: "may have at most \(maxNoteLength) characters, not \(length)")
        }
        guard !note.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f }) else {
            throw .invalidValue(field: field, rule: "must not hold control characters")
        }
    }

    /// Checks the name of a destination, or an address.
    static func check(notify: String, named field: String) throws(ContractError) {
        try check(word: notify, named: field)
        guard notify.unicodeScalars.count <= maxNotifyLength else {
            throw .invalidValue(field: field, rule: "may have at most \(maxNotifyLength) characters")
        }
        guard !notify.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f }) else {
            throw .invalidValue(field: field, rule: "must not hold control characters")
        }
    }

    /// Checks a priority.
    static func check(priority number: Int, named field: String) throws(ContractError) {
        guard priority.contains(number) else {
            throw .invalidValue(field: field, rule: "must be between -1000 and 1000")
        }
    }

    /// Checks the path of a directory.
    static func check(directory: String, named field: String) throws(ContractError) {
        guard directory.utf8.first == UInt8(ascii: "/") else {
            throw .invalidValue(field: field, rule: "must be an absolute path")
        }
        guard !directory.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f }) else {
            throw .invalidValue(field: field, rule: "must not hold control characters")
        }
    }

    /// Checks a text that must not be empty.
    static func check(word: String, named field: String) throws(ContractError) {
        guard !word.isEmpty else { throw .invalidValue(field: field, rule: "must not be empty") }
    }
}
