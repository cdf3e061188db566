/// The SHA-256 of a callback token: all that is kept of it.
///
/// Whoever reads the database cannot make a delivery that counts; whoever guesses at tokens learns nothing from how long
/// a comparison of digests takes, since a guess that is nearly right has a digest that is entirely wrong.
package struct CallbackDigest: Sendable, Hashable {
    /// 32 bytes.
    package let bytes: [UInt8]

    /// Nil for anything but 32 bytes.
    package init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == 32 else { return nil }
        self.bytes = Array(bytes)
    }

    /// Equal, found out by looking at every byte, wherever the first difference is.
    package static func == (left: CallbackDigest, right: CallbackDigest) -> Bool {
        zip(left.bytes, right.bytes).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
