import ProviderCatalog
import TaskModel

/// Tasks of one service to ask about in one query.
///
/// A class, since fifty of them are put in order for each query that goes, and each holds what is known of its endpoint:
/// copying that took more than a third of a poll (counted with callgrind).
package final class PollBatch: Sendable {
    let service: String
    let profile: EndpointProfile
    let tasks: [TrackedTask]
    /// Where calls are short they go where this is largest: hazard times the square of the gap, summed over the tasks.
    let priority: Double

    init(service: String, profile: EndpointProfile, tasks: [TrackedTask], priority: Double) {
        self.service = service
        self.profile = profile
        self.tasks = tasks
        self.priority = priority
    }
}
