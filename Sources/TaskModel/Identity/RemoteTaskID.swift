/// The provider's opaque id of a task.
///
/// Usually a UUID, but 32 hexadecimal digits, `task_…` and 19-digit numbers also occur.
package struct RemoteTaskID: Sendable, Hashable, CustomStringConvertible {
    /// The text as the provider sent it.
    package let text: String

    /// Nil if the text is empty, longer than 512 bytes, or has control characters or spaces. No provider uses such
    /// ids.
    package init?(_ text: String) {
        var text = text
        let isPlausible = text.withUTF8 { 1...512 ~= $0.count && $0.allSatisfy { $0 > 0x20 && $0 != 0x7f } }
        guard isPlausible else { return nil }
        self.text = text
    }

    /// Our own id of a task, where a provider's is meant.
    package init(_ id: TaskID) { text = id.text }

    package var description: String { text }
}
