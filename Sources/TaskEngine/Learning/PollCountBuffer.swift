import Synchronization
import TaskModel

/// Calls that were spent and are not on disk yet.
///
/// Writing a row for every call would cost as much as the call's own result. They are written with the end of a task, of
/// which they tell what it took, and else by the hundred; a crash forgets fewer than that.
final class PollCountBuffer: Sendable {
    private let counts = Mutex<[EndpointName: Double]>([:])

    private static let most = 100.0

    init() {}

    /// One call asked about these tasks; each endpoint pays its part.
    func count(about tasks: [TrackedTask]) {
        counts.withLock { counts in
            for task in tasks { counts[task.endpoint, default: 0] += 1 / Double(tasks.count) }
        }
    }

    /// What is to be written now of the endpoints of these tasks: everything, or only what has become much.
    func take(about tasks: [TrackedTask], all: Bool) -> [EndpointName: Double] {
        counts.withLock { counts in
            var taken: [EndpointName: Double] = [:]
            for task in tasks where taken[task.endpoint] == nil {
                guard let count = counts[task.endpoint], all || count >= Self.most else { continue }
                taken[task.endpoint] = counts.removeValue(forKey: task.endpoint)
            }
            return taken
        }
    }
}
