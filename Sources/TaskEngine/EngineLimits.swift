import ProviderCatalog
import TaskModel

/// The limits of the engine: parallel requests, waiting times, and what counts as proof.
package struct EngineLimits: Sendable {
    /// How long a paid request may take; settings `submission.timeout_seconds`.
    package var submissionTimeout: Duration = .seconds(60)
    /// How long a status query may take.
    package var pollTimeout: Duration = .seconds(30)
    /// The most paid requests in flight, over all endpoints.
    package var submissionsInParallel = 64
    /// Tasks of a service in flight; nil leaves it to the provider's profile; settings `submission.max_in_flight`.
    package var maxInFlight: Int?
    /// Paid requests of a service per second; nil leaves it to the profile; settings `submission.max_per_second`.
    package var submissionsPerSecond: Double?
    /// Status queries of a provider per second; nil leaves it to the profile; settings `polling.max_requests_per_second`.
    package var pollsPerSecond: Double?
    /// The most status queries of a service in flight.
    package var pollsInParallel = 4
    /// The most notifications of a task to one destination in flight. With more than one they come out of order.
    package var deliveriesPerTask = 1
    /// Ids in one batch query. "Maximum recommended 50 tasks", says the provider of its own tools; no hard limit is documented.
    package var batchSize = 50
    /// Tasks on one page of the provider's list, and how many pages are read before it counts as unreadable.
    package var listPageSize = 50
    package var listPages = 40
    /// How often a reading of the list starts again because items moved between two pages.
    package var listPasses = 3
    /// Accepted tasks whose records are looked at to learn how a list echoes requests, and how long their documents may be.
    package var acceptedNeighbours = 24
    package var neighbourBytes = 1 << 18
    /// How long look-ups go on before `on_uncertain: fail` ends a task without a proof.
    package var failAfter: Duration = .seconds(600)
    /// How far the provider's clock may be from ours when its list is searched around an attempt.
    package var clockSkew: Duration = ClockDrift.tolerance
    /// How long the wall clock must have gone on without a jump before a task is ended by it: what is a moment's mistake of
    /// a time server, or of a machine that has just started, is set right within a minute.
    package var steadySpan: Duration = .seconds(60)
    /// How near in time an accepted task must be to serve as the control of a list.
    package var controlSpan: Duration = .seconds(6 * 3_600)
    /// What counts as proof that the provider never took a submission: so many complete readings of its list without
    /// it, over at least so long.
    package var absentReadings = 3
    package var absentSpan: Duration = .seconds(120)
    /// How often and over how long an id must be unknown to the provider before its task counts as lost there; the
    /// documents say that a fresh task may be invisible for a while.
    package var notFoundBeforeLost = 5
    package var missSpan: Duration = .seconds(600)
    /// How often in a row an id must be unknown to the provider before a delivered end counts as its outcome: a fresh
    /// record may be late as well.
    package var notFoundBeforeCallbackDecides = 3
    /// And over how long.
    package var missSpanBeforeCallbackDecides: Duration = .seconds(30)
    /// How long a task waits whose record is too large to be read. It seldom shrinks, and each query downloads up to the
    /// limit.
    package var tooLargeGap: Duration = .seconds(3_600)
    /// Clients that are woken by their tasks at once. Below the socket's bound on connections, so that waiting clients never
    /// lock out the others.
    package var waiters = 400
    /// How long a client beyond ``waiters`` waits at most for its reply.
    package var waitWithoutPlace: Duration = .seconds(5)

    /// The longest timeout of a paid request before a reload shortened it.
    var formerTimeout: Duration = .zero
    /// When a reload last changed the base URL of each provider. Later lists may lack what was sent before.
    var movedAt: [ProviderName: Timestamp] = [:]

    package init() {}

    /// How long a paid request of the endpoint may take.
    func timeout(of profile: EndpointProfile) -> Duration { profile.submissionTimeout ?? submissionTimeout }

    /// How long a paid request of the endpoint may have taken, also one from before a reload.
    func longestTimeout(of profile: EndpointProfile) -> Duration { max(timeout(of: profile), formerTimeout) }
}
