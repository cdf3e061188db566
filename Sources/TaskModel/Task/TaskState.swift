/// Where a task stands. Drawn in the README; what leads where is ``TaskLifecycle``.
package enum TaskState: String, Sendable, CaseIterable {
    /// On disk; nothing has been sent.
    case queued
    /// The intent is on disk and the paid request is being sent.
    case submitting
    /// The provider may or may not have accepted it.
    case uncertain
    /// The provider has it and we know its remote id.
    case running
    /// Finished with a result.
    case succeeded
    /// The provider failed or refused it, or it was given up.
    case failed
    /// A person stopped tracking it.
    case cancelled
    /// Its deadline passed first.
    case expired

    /// Whether the task has its outcome; only `reopen` leads out of some of these.
    package var hasEnded: Bool {
        switch self {
        case .queued, .submitting, .uncertain, .running: false
        case .succeeded, .failed, .cancelled, .expired: true
        }
    }

    /// Whether it was stopped by a person or a deadline, not by the provider, so that it may go on where it has a remote id.
    package var isReopenable: Bool { self == .cancelled || self == .expired }

    /// The states in which something is still to be done.
    package static let open: [TaskState] = allCases.filter { !$0.hasEnded }
}
