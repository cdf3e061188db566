import ProviderCatalog
import VerbatimJSON

/// What a request to a callback URL carried.
package struct CallbackBody: Sendable {
    /// As it is to be read.
    package let content: [UInt8]
    /// As it was on the wire, where that differs: what a signature may be about.
    package let encoded: [UInt8]?
    /// Why its content coding cannot be undone; nil where it has none or it was undone.
    private let problem: String?

    /// A body without a content coding.
    package init(_ content: [UInt8]) {
        self.content = content
        encoded = nil
        problem = nil
    }

    /// A body whose content coding was undone.
    package init(_ content: [UInt8], encodedAs encoded: [UInt8]) {
        self.content = content
        self.encoded = encoded
        problem = nil
    }

    /// A body in a content coding that cannot be undone; `problem` goes on after "it".
    package init(unreadable content: [UInt8], because problem: String) {
        self.content = content
        encoded = nil
        self.problem = problem
    }

    /// The document that it is, or why it is none, in words that go on after "it".
    ///
    /// JSON, whatever it calls itself, as a form is what many tools call a body if nobody says otherwise; else a form.
    func document(contentType: String?, without secrets: SecretRedactor) -> Result<JSONValue, Unreadable> {
        if let problem { return .failure(Unreadable(problem: problem)) }
        let content = secrets.redacted(body: content)
        if content.isEmpty { return .failure(Unreadable(problem: "is empty")) }
        do throws(JSONSyntaxError) {
            return .success(try JSONValue(parsing: content, limits: .lenient))
        } catch {
            let isForm = contentType?.lowercased().hasPrefix("application/x-www-form-urlencoded") ?? false
            if isForm, let form = FormDocument.read(content) { return .success(form) }
            return .failure(Unreadable(problem: isForm ? "is neither a form nor JSON" : "is no JSON"))
        }
    }

    /// Why a body cannot be read.
    struct Unreadable: Error {
        let problem: String
    }
}

/// What became of a delivery, and so what its sender is to be told.
package enum CallbackAnswer: Sendable {
    /// It is on disk.
    case taken
    /// It is on disk that it came, but what it says is needed and cannot be read: it should be sent again.
    case unreadable
    /// The token is nobody's.
    case unknownToken
}
