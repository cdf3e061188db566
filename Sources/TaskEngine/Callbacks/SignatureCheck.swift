import Crypto
import ProviderCatalog
import TaskModel

extension CallbackSignature {
    /// Whether the provider signed this body recently.
    ///
    /// Compares in constant time. A malformed secret matches no signature.
    func isGood(of body: [UInt8], headers: [String: String], secret: String, now: Timestamp) -> Bool {
        guard let key = key(of: secret) else { return false }
        guard algorithm != .echo else {
            // Comparing digests hides both the length and the matching prefix.
            return echoes(in: headers).contains { SHA256.hash(data: Array($0.utf8)) == SHA256.hash(data: key) }
        }
        let claims = claims(in: headers, of: body) { body in
            SHA256.hash(data: body).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        return claims.contains { claim in
            if let tolerance {
                guard let signedAt = claim.signedAt, abs((now - signedAt).inSeconds) <= tolerance.inSeconds else {
                    return false
                }
            }
            return isGood(claim, key: key)
        }
    }

    private func isGood(_ claim: Claim, key: [UInt8]) -> Bool {
        switch algorithm {
        case .hmacSHA256:
            HMAC<SHA256>.isValidAuthenticationCode(
                claim.signature, authenticating: claim.message, using: SymmetricKey(data: key))
        case .ed25519:
            (try? Curve25519.Signing.PublicKey(rawRepresentation: key))?
                .isValidSignature(claim.signature, for: claim.message) ?? false
        case .echo: false
        }
    }
}
