import Crypto
import VerbatimJSON

/// A provider's record on its way into its column, and what tells it from others.
package struct ResponseColumn: Sendable {
    let text: String
    /// The first 64 bits of the text's SHA-256.
    package let digest: Int64

    init(_ record: JSONValue) { self.init(text: record.text) }

    /// The record whose text is this.
    package init(text: String) {
        self.text = text
        let bytes = Array(text.utf8)
        digest = SHA256.hash(data: bytes).prefix(8).reduce(0) { $0 << 8 | Int64($1) }
    }
}
