import Synchronization
import TaskModel

/// Tracks why nothing paid is sent since the start: the database is an older copy, or a person asked for it.
final class StartHold: Sendable {
    private struct State {
        var mode: RestoredMode?
        var isAskedFor: Bool
        /// Whether a person's decision about the copy is being stored.
        var isDeciding = false
    }

    private let state: Mutex<State>

    /// `isAskedFor` if the daemon was started with `--hold`.
    init(isAskedFor: Bool) { state = Mutex(State(isAskedFor: isAskedFor)) }

    /// The mode of the database; nil if it is not a copy.
    var mode: RestoredMode? { state.withLock { $0.mode } }

    func set(_ mode: RestoredMode?) { state.withLock { $0.mode = mode } }

    /// Whether a decision about the copy may begin. Only one runs at a time.
    func beginDecision() -> Bool {
        state.withLock { state in
            defer { state.isDeciding = true }
            return !state.isDeciding
        }
    }

    func endDecision() { state.withLock { $0.isDeciding = false } }

    /// Ends the hold that a person requested with `--hold`.
    func release() { state.withLock { $0.isAskedFor = false } }

    /// Why nothing paid is sent since a start with `--hold`; nil if requests are sent.
    var requestedHold: Reason? {
        state.withLock { $0.isAskedFor } ? SubmissionBlock.holdReason : nil
    }

    /// What blocks all submissions; nil if nothing does.
    var block: SubmissionBlock? {
        state.withLock { state in state.mode.map { .restored($0) } ?? (state.isAskedFor ? .held : nil) }
    }
}
