/// Why a task waits. Unlike a ``TaskFailure`` it is not stored, and says nothing about the task's outcome.
package struct Reason: Sendable, Hashable {
    /// Stable word of the contract: `paused`, `backing_off`.
    package let code: String
    /// What the task waits for, in whole sentences.
    package let message: String
    /// What a person can do about it.
    package let hint: String?

    init(code: String, message: String, hint: String? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
    }
}
