/// The provider's name for a task, opaque to us.
///
/// Mostly a UUID, but 32 hexadecimal digits, `task_…` and 19-digit numbers occur too.
package struct RemoteTaskID: Sendable, Hashable, CustomStringConvertible {
    /// The text as the provider gave it.
    package let text: String

    /// Takes what the provider gave; nil if empty, longer than 512 bytes or with control characters or spaces, which
    /// no provider uses and which would only be a mistake.
    package init?(_ text: String) {
        var text = text
        let isPlausible = text.withUTF8 { 1...512 ~= $0.count && $0.allSatisfy { $0 > 0x20 && $0 != 0x7f } }
        guard isPlausible else { return nil }
        self.text = text
    }

    package var description: String { text }
}
