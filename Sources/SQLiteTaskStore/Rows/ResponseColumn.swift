import Crypto
import VerbatimJSON

/// A provider's record on its way into its column, and what tells it from others.
package struct ResponseColumn: Sendable {
    let text: String
    /// The first 64 bits of the text's SHA-256.
    package let digest: Int64

    init(_ record: JSONValue) { self.init(utf8: record.utf8) }

    /// The record whose text has these bytes.
    package init(utf8: [UInt8]) {
        text = String(decoding: utf8, as: UTF8.self)
        digest = SHA256.hash(data: utf8).prefix(8).reduce(0) { $0 << 8 | Int64($1) }
    }
}
