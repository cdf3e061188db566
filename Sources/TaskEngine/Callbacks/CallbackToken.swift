import Crypto
import TaskModel
import Text

/// A secret of 256 random bits in URL-safe characters, such as the last part of an attempt's callback URL.
///
/// Only the request contains it; the database stores its digest.
package struct CallbackToken: Sendable {
    /// 43 characters of RFC 4648's base64url, without padding.
    package let text: String

    /// Creates a random token.
    package init(using random: inout some RandomNumberGenerator) {
        let words = (0..<4).map { _ in random.next() as UInt64 }
        text = words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }.base64URL
    }

    var digest: CallbackDigest { Self.digest(of: text) }

    /// The digest of a text that a client presents as a token.
    static func digest(of text: String) -> CallbackDigest {
        guard let digest = CallbackDigest(Array(SHA256.hash(data: Array(text.utf8)))) else {
            preconditionFailure("SHA-256 has 32 bytes")
        }
        return digest
    }

    /// The digest of the token in an echoed URL, assuming that it is a callback URL of Pollux.
    static func digest(inURL url: String) -> CallbackDigest {
        digest(of: String(url[(url.lastIndex(of: "/").map { url.index(after: $0) } ?? url.startIndex)...]))
    }
}
