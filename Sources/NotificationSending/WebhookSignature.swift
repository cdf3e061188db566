import Crypto
import FoundationEssentials
package import TaskModel

/// The header fields of Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md):
/// id, time, and a signature for each secret, so that a secret can be replaced without a gap.
package enum WebhookSignature {
    /// The fields for a body that is sent at that time. Without secrets there is no signature.
    package static func headers(
        id: String, at now: Timestamp, body: [UInt8], secrets: [[UInt8]]
    ) -> [(name: String, value: String)] {
        let timestamp = String(now.milliseconds / 1_000)
        let message = Array("\(id).\(timestamp).".utf8) + body
        let signatures = secrets.map { secret in
            let code = HMAC<SHA256>.authenticationCode(for: message, using: SymmetricKey(data: secret))
            return "v1," + Data(code).base64EncodedString()
        }
        let fields = [("webhook-id", id), ("webhook-timestamp", timestamp)]
        return signatures.isEmpty ? fields : fields + [("webhook-signature", signatures.joined(separator: " "))]
    }
}
