import ProviderCatalog
import VerbatimJSON

/// The body of a request to a callback URL.
package struct CallbackBody: Sendable {
    /// The decoded body.
    package let content: [UInt8]
    /// The body as received, if it was encoded. A signature may cover it.
    package let encoded: [UInt8]?
    /// Why the content coding could not be decoded, if so.
    private let problem: String?

    /// Creates a body without a content coding.
    package init(_ content: [UInt8]) {
        self.content = content
        encoded = nil
        problem = nil
    }

    /// Creates a body from its decoded and its received form.
    package init(_ content: [UInt8], encodedAs encoded: [UInt8]) {
        self.content = content
        self.encoded = encoded
        problem = nil
    }

    /// Creates a body that could not be decoded. `problem` is a predicate that follows "it".
    package init(unreadable content: [UInt8], because problem: String) {
        self.content = content
        encoded = nil
        self.problem = problem
    }

    /// Parses the body, or returns why it cannot be parsed.
    ///
    /// Tries JSON regardless of the content type, because many tools label any body as a form by default. Then tries
    /// a form.
    func document(contentType: String?, without secrets: SecretRedactor) -> Result<JSONValue, Unreadable> {
        if let problem { return .failure(Unreadable(problem: problem)) }
        let content = secrets.redacted(body: content)
        if content.isEmpty { return .failure(Unreadable(problem: "is empty")) }
        do throws(JSONSyntaxError) {
            return .success(try JSONValue(parsing: content, limits: .lenient))
        } catch {
            let isForm = contentType?.lowercased().hasPrefix("application/x-www-form-urlencoded") ?? false
            if isForm, let form = FormDocument.read(content) { return .success(form) }
            return .failure(Unreadable(problem: isForm ? "is neither a form nor JSON" : "is not JSON"))
        }
    }

    /// Why a body cannot be parsed, as a predicate that follows "it".
    struct Unreadable: Error {
        let problem: String
    }
}

/// The result of a delivery, which decides the HTTP status.
package enum DeliveryResult: Sendable {
    /// The delivery is on disk.
    case taken
    /// The delivery is on disk, but its unreadable body is needed. The sender should repeat it.
    case unreadable
    /// The token does not exist.
    case unknownToken
}
