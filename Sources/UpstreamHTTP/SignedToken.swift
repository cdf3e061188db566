import Crypto
import TaskModel
import VerbatimJSON

/// A JSON Web Token (RFC 7519) signed with HMAC-SHA-256 (`HS256`, RFC 7518, section 3.2), as providers take that hand out
/// a pair of keys instead of a token.
enum SignedToken {
    /// The token for a request that goes out now; nil where the secret is no pair of keys.
    ///
    /// It counts from five seconds ago, since clocks differ.
    static func make(from keys: String, lifetime: Duration, now: Timestamp) -> String? {
        let parts = keys.split(separator: ":", maxSplits: 1)
        guard parts.count == 2 else { return nil }
        let seconds = Int64(now.unixSeconds.rounded(.down))
        let header: JSONValue = ["alg": "HS256", "typ": "JWT"]
        let claims: JSONValue = [
            "iss": .string(String(parts[0])), "exp": .number(JSONNumber(seconds + lifetime.wholeMilliseconds / 1_000)),
            "nbf": .number(JSONNumber(seconds - 5)),
        ]
        let signed = header.utf8.base64URL + "." + claims.utf8.base64URL
        let code = HMAC<SHA256>.authenticationCode(
            for: Array(signed.utf8), using: SymmetricKey(data: Array(parts[1].utf8)))
        return signed + "." + Array(code).base64URL
    }
}

extension [UInt8] {
    /// Base64 for URLs, without padding (RFC 4648, section 5).
    fileprivate var base64URL: String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: count, by: 3) {
            let group = self[start..<Swift.min(start + 3, count)]
            let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for place in 0...group.count { text.append(alphabet[bits >> (18 - 6 * place) & 63]) }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
