import ProviderCatalog
import TaskModel
package import TaskStore

/// The limits of the engine: parallel requests, timeouts, and the conditions of proofs.
package struct EngineLimits: Sendable {
    /// The timeout of a paid request; setting `submission.timeout_seconds`.
    package var submissionTimeout: Duration = .seconds(60)
    /// Whether the term of a lease counts from the reply to its renewal. Only tests set it, to break a rule on purpose.
    package var leasesCountFromReply = false
    /// The timeout of a status query.
    package var pollTimeout: Duration = .seconds(30)
    /// The maximum number of paid requests in flight, over all endpoints.
    package var submissionsInParallel = 64
    /// The maximum number of tasks of a service in flight; setting `submission.max_in_flight`. Nil uses the provider's
    /// definition.
    package var maxInFlight: Int?
    /// Paid requests of a service per second; setting `submission.max_per_second`. Nil uses the provider's definition.
    package var submissionsPerSecond: Double?
    /// Requests to a provider per second; setting `polling.max_requests_per_second`. Nil uses the provider's
    /// definition.
    package var pollsPerSecond: Double?
    /// The maximum number of status queries of a service in flight.
    package var pollsInParallel = 4
    /// The most notifications of a task to one destination in flight. With more than one they come out of order.
    package var deliveriesPerTask = 1
    /// The number of ids in one batch query. The provider recommends "maximum 50 tasks" for its own tools; it documents
    /// no hard limit.
    package var batchSize = 50
    /// The number of tasks on one page of the provider's list, and of pages that are read before it counts as
    /// unreadable.
    package var listPageSize = 50
    package var listPages = 40
    /// The number of times that a reading of the list starts again because items moved between two pages.
    package var listPasses = 3
    /// How often a reading requests one page of the list, and how long it waits at most, in total, to repeat pages.
    package var listPageTries = 5
    package var listRepeatSpan: Duration = .seconds(300)
    /// The number of accepted tasks that show how a list echoes requests, and the maximum size of their documents.
    package var acceptedNeighbours = 24
    package var neighbourBytes = 1 << 18
    /// How long look-ups continue before `on_uncertain: fail` ends a task without a proof.
    package var failAfter: Duration = .seconds(600)
    /// The tolerated difference between the provider's clock and ours when its list is searched around an attempt.
    package var clockSkew: Duration = ClockDrift.tolerance
    /// How long the wall clock must have run without a jump before a deadline ends a task. A time server or a machine
    /// that has just started corrects a short error within a minute.
    package var steadySpan: Duration = .seconds(60)
    /// The maximum distance in time of an accepted task that serves as the control of a list.
    package var controlSpan: Duration = .seconds(6 * 3_600)
    /// The proof that the provider never accepted a submission: this many complete readings of its list without it,
    /// over at least this time.
    package var absentReadings = 3
    package var absentSpan: Duration = .seconds(120)
    /// After this time a task that its provider's complete list lacks is missing there. By the documents, a new task
    /// may be invisible for a while.
    package var listedWithin: Duration = .seconds(600)
    /// How often, and over how long, an id must be unknown to the provider before its task counts as lost there. By the
    /// documents, a new task may be invisible for a while.
    package var notFoundBeforeLost = 5
    package var missSpan: Duration = .seconds(600)
    /// How many polls in a row must not find the id before a delivered end counts as the outcome. A new record may also
    /// appear late.
    package var notFoundBeforeCallbackDecides = 3
    /// The minimum time from the first to the last of these polls.
    package var missSpanBeforeCallbackDecides: Duration = .seconds(30)
    /// How long a task waits whose record is too large to be read. A record seldom shrinks, and each query downloads up
    /// to the limit.
    package var tooLargeGap: Duration = .seconds(3_600)
    /// The maximum number of clients that their tasks wake. It is below the socket's limit of connections, so waiting
    /// clients never block others.
    package var waiters = 400
    /// The longest wait of a client beyond ``waiters``.
    package var waitWithoutPlace: Duration = .seconds(5)

    /// The former settings, as far as lost attempts depend on them.
    package internal(set) var history = SettingsHistory()

    package init() {}

    /// The timeout of a paid request of the endpoint.
    func timeout(of profile: EndpointProfile) -> Duration { profile.submissionTimeout ?? submissionTimeout }

    /// The longest possible duration of a paid request of the endpoint, including one under former settings.
    func longestTimeout(of profile: EndpointProfile) -> Duration {
        max(timeout(of: profile), history.longestTimeout(of: profile.name) ?? .zero)
    }
}
