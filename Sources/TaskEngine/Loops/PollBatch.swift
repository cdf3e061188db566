import ProviderCatalog
import TaskModel

/// The tasks of one service that one status query asks for.
///
/// A class, since each claim sorts up to fifty of them, and copying their profiles would dominate the cost of a poll.
package final class PollBatch: Sendable {
    let service: ServiceName
    let profile: EndpointProfile
    let tasks: [TrackedTask]
    /// Hazard times the square of the gap, summed over the tasks. When calls are scarce, the largest goes first.
    let priority: Double

    init(service: ServiceName, profile: EndpointProfile, tasks: [TrackedTask], priority: Double) {
        self.service = service
        self.profile = profile
        self.tasks = tasks
        self.priority = priority
    }
}
