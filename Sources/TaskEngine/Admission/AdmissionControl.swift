import ProviderCatalog
import TaskModel
import TaskStore

/// Decides whether a request may go now. The submitter asks it, and the status pages show its answer.
///
/// The one place that knows a restore, leases, pauses, circuit breakers, tokens, rates, the pace of submissions, tasks in flight and
/// resubmissions.
struct AdmissionControl: Sendable {
    let breakers: CircuitBreakers
    let leases: LeaseKeeper
    let hold: StartHold
    let startCheck = StartCheck()
    /// Whether there are credentials for a provider.
    let hasToken: @Sendable (_ provider: ProviderName) -> Bool
    let resubmissions = InFlightResubmissions()
    let limiter: ProviderRateLimiter
    private let throttle: SubmissionThrottle
    private let storage: StorageMonitor
    private let store: TaskStore
    private let transport: any UpstreamTransport
    @Current private var catalog: ProviderCatalog
    @Current private var limits: EngineLimits
    let time: any TimeSource

    init(
        breakers: CircuitBreakers, hold: StartHold, hasToken: @escaping @Sendable (ProviderName) -> Bool,
        storage: StorageMonitor,
        store: TaskStore, transport: any UpstreamTransport, catalog: Current<ProviderCatalog>,
        limits: Current<EngineLimits>, time: any TimeSource
    ) {
        self.breakers = breakers
        self.hasToken = hasToken
        leases = LeaseKeeper(store, time: time)
        self.hold = hold
        limiter = ProviderRateLimiter(time)
        throttle = SubmissionThrottle(time)
        self.storage = storage
        self.store = store
        self.transport = transport
        _catalog = catalog
        _limits = limits
        self.time = time
    }

    // MARK: The limits in force: the setting, else the provider's definition

    /// How many tasks of the endpoint's service may be in flight; nil for no limit.
    func maxInFlight(of profile: EndpointProfile) -> Int? { limits.maxInFlight ?? profile.limits.maxInFlight }

    /// How many submissions of the endpoint's service may go per second; nil for no limit.
    func submissionsPerSecond(of profile: EndpointProfile) -> Double? {
        limits.submissionsPerSecond ?? profile.limits.submitsPerSecond
    }

    /// How many requests of all kinds a provider gets per second; nil for no limit.
    func callsPerSecond(of provider: ProviderName) -> Double? {
        limits.pollsPerSecond ?? catalog.provider(provider)?.maxRequestsPerSecond
    }

    // MARK: Submissions

    /// What blocks all submissions of the endpoint; nil if nothing does.
    func block(on profile: EndpointProfile, at now: Timestamp) -> SubmissionBlock? {
        let condition = storage.condition
        if let block = hold.block { return block }
        if condition != .sound { return .storage(condition, until: now + .seconds(5)) }
        guard hasToken(profile.provider) else {
            return .noToken(
                provider: profile.provider, variable: catalog.provider(profile.provider)?.tokenVariable ?? "its token")
        }
        if let block = leases.block(on: profile.provider, at: now) { return block }
        return breakers.block(.provider(profile.provider), at: now)
            ?? breakers.block(.submissions(profile.name), at: now)
    }

    /// What blocks a queued task. It takes nothing, so that it can be asked for display.
    func block(of task: TrackedTask, at now: Timestamp) async -> SubmissionBlock {
        if let notBefore = task.notBefore, notBefore > now { return .notBefore(notBefore) }
        if let deadline = task.deadline, deadline <= now { return .deadlinePassed(deadline) }
        guard let profile = catalog.endpoint(task.endpoint) else { return .endpointGone(task.endpoint) }
        if let block = block(on: profile, at: now) { return block }
        if let scope = startCheck.scope(of: task.endpoint), task.createdAt <= scope.startedAt {
            return .startCheck(since: scope.since)
        }
        let service = task.endpoint.service
        guard let limit = maxInFlight(of: profile), let count = try? await load().inFlight(of: service), count >= limit
        else { return .turn() }
        return .inFlightLimit(service: service, count: count, limit: limit)
    }

    /// How many tasks are queued and in flight now, from one read of the store.
    func load() async throws(TaskStoreError) -> TaskLoad {
        let resubmissions = resubmissions.byService
        return TaskLoad(try await store.counts(), resubmissions: resubmissions)
    }

    /// How many more paid requests may go out, over all endpoints.
    func room(under load: TaskLoad) -> Int { load.room(upTo: limits.submissionsInParallel) }

    /// How many tasks of the endpoint's service may be sent now, as far as places in flight are concerned.
    func room(for profile: EndpointProfile, under load: TaskLoad) -> Int {
        let places = maxInFlight(of: profile).map { load.room(of: profile.name.service, upTo: $0) }
        return min(room(under: load), places ?? .max)
    }

    /// How many requests the provider's rate allows now; nil for no limit.
    func tokens(for profile: EndpointProfile) -> Int? {
        limiter.available(of: profile.provider, perSecond: callsPerSecond(of: profile.provider))
    }

    /// Takes what one submission of a queued task needs, on an endpoint that nothing blocks and within the room in flight.
    ///
    /// A block without an end concerns this task alone; one with an end concerns all tasks of its service.
    func admit(
        _ task: TrackedTask, of profile: EndpointProfile, under load: TaskLoad, at now: Timestamp
    ) -> Admission {
        let service = profile.name.service
        // After several failures one request at a time shows whether the endpoint works again.
        if breakers.isHalfOpen(.submissions(profile.name)), load.isSending(service) { return .blocked(.turn()) }
        // Whether it is being sent is not known before its claim is settled.
        guard storage.unknownClaims[task.id] == nil else { return .blocked(.turn()) }
        if task.mayHaveBeenAccepted, !profile.needsPersonWhenUncertain {
            // One at a time per service, so that no reading of the list ages while others take their turns.
            return resubmissions.begin(task.id, of: service) ? .afterLookup : .blocked(.turn())
        }
        // A lack of our own memory says nothing about the endpoint.
        guard let replyRoom = transport.roomForPaidReply() else {
            return .blocked(.turn(until: now + .seconds(1)))
        }
        if let slot = throttle.nextSlot(of: service) ?? slot(for: .submissions(profile.name), of: profile) {
            return .blocked(.turn(until: slot))
        }
        return .granted(replyRoom)
    }

    /// Takes the next slot in the pace of the endpoint's service, or returns when it is.
    func takePace(of profile: EndpointProfile) -> Timestamp? {
        throttle.reserve(profile.name.service, perSecond: submissionsPerSecond(of: profile))
    }

    /// Starts the distance to the next submission of the endpoint's service.
    func pace(_ profile: EndpointProfile) {
        throttle.take(profile.name.service, perSecond: submissionsPerSecond(of: profile))
    }

    // MARK: Rates

    /// Takes a token of the provider's rate, or returns when to ask again.
    func slot(for traffic: ProviderRateLimiter.TrafficClass, of profile: EndpointProfile) -> Timestamp? {
        limiter.reserve(traffic, of: profile.provider, perSecond: callsPerSecond(of: profile.provider))
    }

    /// Waits for a token of the provider's rate; false if the daemon stops first.
    func waitForSlot(for traffic: ProviderRateLimiter.TrafficClass, of profile: EndpointProfile) async -> Bool {
        while let slot = slot(for: traffic, of: profile) {
            guard !Task.isCancelled else { return false }
            await time.sleep(until: slot)
        }
        return true
    }
}

extension TrackedTask {
    /// Whether an earlier attempt of a queued task may have been accepted: a person, or the policy, had it sent again.
    var mayHaveBeenAccepted: Bool {
        attempts > 0 && (resolution == .resubmitted || resolution == .resubmittedByPolicy)
    }
}
