import Crypto
import TaskModel
import Text
import VerbatimJSON

/// A JSON Web Token (RFC 7519) signed with HMAC-SHA-256 (`HS256`, RFC 7518, section 3.2). Some providers issue a key
/// pair instead of a token and expect it.
package enum SignedToken {
    private static let header: JSONValue = ["alg": "HS256", "typ": "JWT"]

    /// The common prefix of all tokens from these keys; nil if the secret is not a key pair.
    package static func beginning(of keys: String) -> String? {
        guard let key = parts(of: keys)?.access else { return nil }
        let claims = (["iss": .string(key)] as JSONValue).utf8.dropLast() + Array(#","exp":"#.utf8)
        // Three bytes encode to four letters. The letter after a partial group depends on the next byte.
        return header.utf8.base64URL + "." + Array(claims.prefix(claims.count / 3 * 3)).base64URL
    }

    private static func parts(of keys: String) -> (access: String, secret: String)? {
        let parts = keys.split(separator: ":", maxSplits: 1)
        return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
    }

    /// Creates a token for a request at `now`; nil if the secret is not a key pair.
    ///
    /// It is valid from five seconds ago, because clocks differ.
    static func make(from keys: String, lifetime: Duration, now: Timestamp) -> String? {
        guard let (access, secret) = parts(of: keys) else { return nil }
        let seconds = Int64(now.unixSeconds.rounded(.down))
        let claims: JSONValue = [
            "iss": .string(access), "exp": .number(JSONNumber(seconds + lifetime.wholeMilliseconds / 1_000)),
            "nbf": .number(JSONNumber(seconds - 5)),
        ]
        let signed = Self.header.utf8.base64URL + "." + claims.utf8.base64URL
        let code = HMAC<SHA256>.authenticationCode(
            for: Array(signed.utf8), using: SymmetricKey(data: Array(secret.utf8)))
        return signed + "." + Array(code).base64URL
    }
}
