import Synchronization
import TaskModel

/// Counts calls that are not yet in the statistics on disk.
///
/// They are written with the end of a task, otherwise in hundreds. A write per call would cost as much as storing the
/// call's result. A crash loses fewer than a hundred per endpoint.
final class PollCountBuffer: Sendable {
    private let counts = Mutex<[EndpointName: Double]>([:])

    private static let most = 100.0

    init() {}

    /// Counts one call about these tasks, divided among their endpoints.
    func count(about tasks: [TrackedTask]) {
        counts.withLock { counts in
            for task in tasks { counts[task.endpoint, default: 0] += 1 / Double(tasks.count) }
        }
    }

    /// Removes and returns the counts of these tasks' endpoints that must be written now: all, or only the large ones.
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
