package import TaskModel
import Text

/// How a provider signs its callbacks. The secret or the public key is enough to check a signature.
package struct CallbackSignature: Sendable, Hashable {
    /// The signature algorithm.
    package enum Algorithm: String, Sendable, CaseIterable {
        /// HMAC with a shared secret (RFC 2104).
        case hmacSHA256 = "hmac_sha256"
        /// The provider's key pair, of which Pollux knows the public key (RFC 8032).
        case ed25519
        /// No signature: the header field repeats the secret.
        case echo
    }

    /// The encoding of the secret.
    package enum SecretForm: String, Sendable, CaseIterable {
        case text, base64, hex
        /// Base64 after the prefix of the Standard Webhooks specification.
        case whsec
    }

    /// A signature from a header field, and the message that it claims to sign.
    package struct Claim: Sendable, Hashable {
        package let signature: [UInt8]
        package let message: [UInt8]
        /// The claimed time of the signature; nil if there is none.
        package let signedAt: Timestamp?
    }

    package let algorithm: Algorithm
    /// The environment variable that holds the secret or the public key. The same name with `_FILE` names a file
    /// instead.
    package let secretVariable: String
    package let secretForm: SecretForm
    /// The header field with the signatures, in lower case.
    package let header: String
    /// The format of a signature, with places for `hex` or `base64`, and optionally `timestamp`.
    let form: Template?
    /// The signed message, from names of header fields, `timestamp`, `body` and `body_sha256`.
    let over: Template?
    /// The header field with the timestamp, if it is not in the signature's field.
    let timestampHeader: String?
    /// The largest difference of a signature's time from now; nil if signatures have no time.
    package let tolerance: Duration?

    /// The most signatures in one field. A key rotation needs only a few.
    private static let mostClaims = 16

    /// The signatures in the header fields and the messages that they claim to sign. There may be several, as during a
    /// key rotation, in any list syntax.
    ///
    /// `digest` is SHA-256 in hexadecimal digits.
    package func claims(
        in headers: [String: String], of body: [UInt8], digest: ([UInt8]) -> String
    ) -> [Claim] {
        guard let form, let over, let value = headers[header] else { return [] }
        let found =
            form.pairs.map { SignatureList.values(of: $0, in: value) } ?? SignatureList.values(of: form, in: value)
        return found.prefix(Self.mostClaims).compactMap { found in
            guard
                let signature = found["hex"].flatMap([UInt8].init(hex:))
                    ?? found["base64"].flatMap([UInt8].init(base64:))
            else { return nil }
            let told = found["timestamp"] ?? timestampHeader.flatMap { headers[$0] }
            var message: [UInt8] = []
            for piece in over.pieces {
                switch piece {
                case .text(let text): message += text.utf8
                case .place("body", _): message += body
                case .place("body_sha256", _): message += digest(body).utf8
                case .place("timestamp", _):
                    guard let told else { return nil }
                    message += told.utf8
                case .place(let name, _):
                    guard let value = headers[name.lowercased()] else { return nil }
                    message += value.utf8
                }
            }
            return Claim(signature: signature, message: message, signedAt: told.flatMap(Self.time))
        }
    }

    /// Values that may be the repeated secret: the whole field, or one value of a list.
    package func echoes(in headers: [String: String]) -> [String] {
        guard let value = headers[header] else { return [] }
        return [value] + SignatureList.parts(of: value, separatedBy: ",").prefix(Self.mostClaims)
    }

    /// The bytes of a secret in this encoding; nil if it is invalid.
    package func key(of secret: String) -> [UInt8]? {
        switch secretForm {
        case .text: Array(secret.utf8)
        case .hex: [UInt8](hex: secret)
        case .base64: [UInt8](base64: secret)
        case .whsec:
            // Its public keys have a different prefix.
            ["whsec_", "whpk_"].first { secret.hasPrefix($0) }
                .flatMap { [UInt8](base64: String(secret.dropFirst($0.count))) }
        }
    }

    private static func time(_ text: String) -> Timestamp? {
        guard let number = Double(text), number > 0, number < 1e15 else { return nil }
        // Seconds reach 1e11 in the year 5138; milliseconds reached it in 1973.
        return Timestamp(unixSeconds: number > 1e11 ? number / 1_000 : number)
    }
}
