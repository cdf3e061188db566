package import VerbatimJSON

/// What the daemon answered, as it was and as it is understood.
package struct Answer<Document: Sendable>: Sendable {
    /// The HTTP status, 200 to 299.
    package let status: Int
    /// The API's own document, with fields that this version does not know.
    package let json: JSONValue
    /// The same, typed.
    package let document: Document

    package init(status: Int, json: JSONValue, document: Document) {
        self.status = status
        self.json = json
        self.document = document
    }
}
