import Synchronization

/// ActionSource says through what a person acts. Lines of the log that the action causes have its name as `by`.
///
/// It is bound to the task that runs the action, so the loops that the action wakes do not have it.
package final class ActionSource: Sendable {
    /// The source of the action that this task runs; nil if it runs none.
    @TaskLocal package static var current: ActionSource?

    package let name: String
    private let logged = Mutex(false)

    package init(_ name: String) { self.name = name }

    /// Whether the action has written a line to the log.
    package var isLogged: Bool { logged.withLock { $0 } }

    func noteLogged() { logged.withLock { $0 = true } }
}
