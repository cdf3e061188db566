package import TaskModel

/// What the reply to a paid request proves (docs/guarantees.md, "What a reply proves").
package enum SubmitVerdict: Sendable, Hashable {
    /// The provider accepted it. `pollURL` is the poll address in its reply, if any.
    case accepted(RemoteTaskID, traceID: String?, pollURL: String? = nil)
    /// The reply is already the result, with the provider's id if it gave one.
    case answered(Observation, remoteID: RemoteTaskID?)
    /// Not accepted. The endpoint must pause for a while.
    case throttled(TaskFailure, retryAfter: Duration?)
    /// Not accepted, and no other request would be. Submissions stop until a person resumes them, and the task waits.
    case stopped(TaskFailure, StopScope)
    /// Not accepted, and never will be. `suspendsProvider` if the whole account is affected: no credit, bad token.
    case refused(TaskFailure, suspendsProvider: Bool)
    /// The provider's own error object with a 5xx status: probably refused, but not proven. `suspendsProvider` as with a
    /// refusal.
    case probablyRefused(TaskFailure, suspendsProvider: Bool = false)
    /// The reply proves nothing.
    case unknown(TaskFailure)
}

/// What a refusal of all requests concerns.
package enum StopScope: Sendable, Hashable {
    /// No credit, a locked account, or a rejected token.
    case account
    /// The URL has moved.
    case endpoint
}

/// What the reply to a status query for one task proves.
package enum LookupVerdict: Sendable, Hashable {
    case observed(Observation)
    /// The provider does not know the id now. This proves little by itself.
    case notFound
    /// The query was throttled and must pause. Proves nothing about the task.
    case throttled(TaskFailure, retryAfter: Duration?)
    /// The query failed. Proves nothing about the task. `suspendsProvider` is as for submissions.
    case failed(TaskFailure, suspendsProvider: Bool)
}

/// What the reply to a status query for several tasks proves.
package enum BatchVerdict: Sendable, Hashable {
    /// The observations of the requested tasks. A task that is missing here may still exist.
    case observed([RemoteTaskID: Observation])
    case throttled(TaskFailure, retryAfter: Duration?)
    case failed(TaskFailure, suspendsProvider: Bool)
}

/// The content of one page of the provider's own list of tasks.
package enum ListingVerdict: Sendable, Hashable {
    /// The tasks on the page in the provider's order, the number of its items without a readable id, and what it says
    /// about further pages.
    case page([ListedTask], unreadable: Int = 0, rest: ListRest = .unstated)
    case throttled(TaskFailure, retryAfter: Duration?)
    case failed(TaskFailure, suspendsProvider: Bool)
}
