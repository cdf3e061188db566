/// Why a task failed, or why its last attempt did not go through.
package struct TaskFailure: Error, Sendable, Hashable {
    /// Stable word: the provider's own code where it gave one, else ours.
    package var code: String
    /// What happened, in the provider's words or ours.
    package var message: String
    /// The HTTP status that carried it, where there was one.
    package var httpStatus: Int?
    /// What a person can do about it.
    package var hint: String?

    package init(code: String, message: String, httpStatus: Int? = nil, hint: String? = nil) {
        self.code = code
        self.message = message
        self.httpStatus = httpStatus
        self.hint = hint
    }

    /// The provider no longer knows the task, though it had accepted it.
    package static let remoteTaskNotFound = TaskFailure(
        code: "remote_task_not_found",
        message: "The provider no longer knows this task.",
        hint: "Its record may have been deleted there. If you find it again, use `pollux track` with its remote id.")

    /// The code where a daemon stopped before it knew what became of a request.
    package static let daemonStopped = "daemon_stopped"

    /// The submission's outcome was unknown and it was given up.
    package static func submissionLost(because reason: String) -> TaskFailure {
        TaskFailure(
            code: "submission_lost", message: "The submission's outcome is unknown: \(reason)",
            hint: "Look at the provider's own task list before you submit it again; it may have been billed.")
    }
}
