/// Why a task or its latest attempt failed.
package struct TaskFailure: Error, Sendable, Hashable {
    /// A stable word: the provider's code if it sent one, else a code of Pollux.
    package var code: String
    /// What happened, as the provider or Pollux states it.
    package var message: String
    /// The HTTP status of the reply, if there was one.
    package var httpStatus: Int?
    /// What a user can do about it.
    package var hint: String?

    package init(code: String, message: String, httpStatus: Int? = nil, hint: String? = nil) {
        self.code = code
        self.message = message
        self.httpStatus = httpStatus
        self.hint = hint
    }

    /// The provider accepted the task but no longer knows it.
    package static let remoteTaskNotFound = TaskFailure(
        code: "remote_task_not_found",
        message: "The provider no longer knows this task.",
        hint: "Its record may have been deleted there. If you find it again, use `pollux track` with its remote id.")

    /// The code of a request that was interrupted when the daemon stopped.
    package static let daemonStopped = "daemon_stopped"
    /// The code of a request whose reply never came, although it may have been sent.
    package static let replyLost = "reply_lost"
    /// The task was queued in a database that turned out to be an older copy.
    package static let perhapsSent = "perhaps_sent"

    /// The code of a given-up submission with an unknown outcome.
    package static let submissionLost = "submission_lost"

    /// The failure of a given-up submission with an unknown outcome.
    package static func submissionLost(because reason: String) -> TaskFailure {
        TaskFailure(
            code: submissionLost, message: "The submission's outcome is unknown: \(reason)",
            hint: "Look at the provider's own task list before you submit it again; it may have been billed.")
    }
}
