import ProviderCatalog
import TaskModel

/// The tasks of an account's service that one status query asks for.
///
/// A class, since each claim sorts up to fifty of them, and copying their profiles would dominate the cost of a poll.
package final class PollBatch: Sendable {
    /// The endpoint of any of them, as their account uses it.
    let endpoint: AccountEndpoint
    let tasks: [TrackedTask]
    /// Hazard times the square of the gap, summed over the tasks. When calls are scarce, the largest goes first.
    let priority: Double

    init(endpoint: AccountEndpoint, tasks: [TrackedTask], priority: Double) {
        self.endpoint = endpoint
        self.tasks = tasks
        self.priority = priority
    }

    var service: AccountService { endpoint.service }
    var profile: EndpointProfile { endpoint.profile }
}
