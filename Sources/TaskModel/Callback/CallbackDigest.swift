/// The SHA-256 digest of a callback token. The token itself is not stored.
///
/// A reader of the database cannot forge a delivery. The timing of a digest comparison reveals nothing, because the
/// digest of a nearly correct guess is entirely different.
package struct CallbackDigest: Sendable, Hashable {
    /// The 32 bytes.
    package let bytes: [UInt8]

    /// Nil unless there are 32 bytes.
    package init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == 32 else { return nil }
        self.bytes = Array(bytes)
    }

    /// Compares all bytes, wherever the first difference is.
    package static func == (left: CallbackDigest, right: CallbackDigest) -> Bool {
        zip(left.bytes, right.bytes).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
