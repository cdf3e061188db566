import ProviderCatalog
import TaskModel

/// Tasks of one service to ask about in one query.
package struct PollRound: Sendable {
    let service: String
    let profile: EndpointProfile
    let tasks: [TrackedTask]
    /// Where calls are short they go where this is largest: hazard times the square of the gap, summed over the tasks.
    let priority: Double
}
