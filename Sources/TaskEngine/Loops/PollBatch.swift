import ProviderCatalog
import TaskModel

/// The tasks of an account's service that one status query polls.
///
/// It is a class, because each claim sorts up to fifty batches, and copying their profiles would dominate the cost of a
/// poll.
package final class PollBatch: Sendable {
    /// The endpoint of any of the tasks, as their account uses it.
    let endpoint: AccountEndpoint
    let tasks: [TrackedTask]
    /// Hazard times the square of the gap, summed over the tasks. If calls are scarce, the largest goes first.
    let priority: Double

    init(endpoint: AccountEndpoint, tasks: [TrackedTask], priority: Double) {
        self.endpoint = endpoint
        self.tasks = tasks
        self.priority = priority
    }

    var service: AccountService { endpoint.service }
    var profile: EndpointProfile { endpoint.profile }
}
