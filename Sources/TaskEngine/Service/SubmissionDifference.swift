package import VerbatimJSON

/// One field in which a submission differs from the task of its idempotency key.
package struct SubmissionDifference: Sendable, Hashable {
    /// `request.prompt`, `labels.film`, `deadline`.
    package let field: String
    /// The value in the task; nil if it is missing.
    package let stored: JSONValue?
    /// The value in the submission; nil if it is missing.
    package let given: JSONValue?

    /// Both values for a message, with long ones cut.
    var words: String { "\(field) is \(Self.words(stored)) in the task and \(Self.words(given)) in the request" }

    private static func words(_ value: JSONValue?) -> String {
        guard let text = value?.text else { return "missing" }
        return text.count > longest ? text.prefix(longest) + "…" : text
    }

    private static let longest = 60
}
