package import TaskModel

/// Why a task waits. Unlike a ``TaskFailure`` it is not stored, and says nothing about the task's outcome.
package struct Reason: Sendable, Hashable {
    /// Stable word of the contract: `paused`, `backing_off`.
    package let code: String
    /// What the task waits for, in whole sentences.
    package let message: String
    /// What a person can do about it.
    package let hint: String?
    /// The budget that it waits for.
    package let budget: BudgetShortage?

    init(code: String, message: String, hint: String? = nil, budget: BudgetShortage? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
        self.budget = budget
    }
}
