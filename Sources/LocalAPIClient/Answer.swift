package import VerbatimJSON

/// A reply of the daemon, as JSON and typed.
package struct Answer<Document: Sendable>: Sendable {
    /// The HTTP status, 200 to 299.
    package let status: Int
    /// The document as JSON, including members that this version does not know.
    package let json: JSONValue
    /// The typed document.
    package let document: Document

    package init(status: Int, json: JSONValue, document: Document) {
        self.status = status
        self.json = json
        self.document = document
    }
}
