/// The state of a task. ``TaskLifecycle`` has the transitions, the README their diagram.
package enum TaskState: String, Sendable, CaseIterable {
    /// Stored; nothing was sent.
    case queued
    /// The intent is stored and the paid request is being sent.
    case submitting
    /// The provider may or may not have accepted it.
    case uncertain
    /// The provider accepted it, and its remote id is known.
    case running
    /// Finished with a result.
    case succeeded
    /// The provider failed or rejected it, or it was given up.
    case failed
    /// A user stopped the tracking.
    case cancelled
    /// Its deadline passed.
    case expired

    /// Whether the task has its outcome. Only reopening leaves some of these states.
    package var hasEnded: Bool {
        switch self {
        case .queued, .submitting, .uncertain, .running: false
        case .succeeded, .failed, .cancelled, .expired: true
        }
    }

    /// Whether a user or a deadline stopped it, not the provider. It can be reopened if it has a remote id.
    package var isReopenable: Bool { self == .cancelled || self == .expired }

    /// The states in which work remains.
    package static let open: [TaskState] = allCases.filter { !$0.hasEnded }
}
