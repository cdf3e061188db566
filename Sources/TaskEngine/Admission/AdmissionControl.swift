import ProviderCatalog
import TaskModel
import TaskStore

/// Decides whether a request may be sent now. The submitter uses it, and the status pages show its decision.
///
/// Only this type combines restores, leases, pauses, circuit breakers, accounts, rates, the pace of submissions, tasks
/// in flight and resubmissions.
final class AdmissionControl: Sendable {
    let breakers: CircuitBreakers
    let leases: LeaseKeeper
    let hold: StartHold
    let startCheck = StartCheck()
    let accounts: ProviderAccounts
    let resubmissions = InFlightResubmissions()
    let limiter: ProviderRateLimiter
    private let throttle: SubmissionThrottle
    private let storage: StorageMonitor
    private let store: TaskStore
    private let counts: LatestCounts
    private let transport: any UpstreamTransport
    private let settings: (catalog: Current<ProviderCatalog>, budgets: Current<[Budget]>, limits: Current<EngineLimits>)
    let time: any TimeSource

    init(
        breakers: CircuitBreakers, hold: StartHold, accounts: ProviderAccounts, storage: StorageMonitor,
        store: TaskStore, counts: LatestCounts, transport: any UpstreamTransport, catalog: Current<ProviderCatalog>,
        budgets: Current<[Budget]>, limits: Current<EngineLimits>, time: any TimeSource
    ) {
        self.breakers = breakers
        self.accounts = accounts
        leases = LeaseKeeper(store, time: time, countsFromReply: limits.wrappedValue.leasesCountFromReply)
        self.hold = hold
        limiter = ProviderRateLimiter(time)
        throttle = SubmissionThrottle(time)
        self.storage = storage
        self.store = store
        self.counts = counts
        self.transport = transport
        settings = (catalog, budgets, limits)
        self.time = time
    }

    var catalog: ProviderCatalog { settings.catalog.wrappedValue }
    var budgets: [Budget] { settings.budgets.wrappedValue }
    private var limits: EngineLimits { settings.limits.wrappedValue }

    // MARK: The current limits for each account: the setting, else the provider's definition

    /// The maximum number of tasks of the endpoint's service in flight; nil for no limit.
    func maxInFlight(of profile: EndpointProfile) -> Int? { limits.maxInFlight ?? profile.limits.maxInFlight }

    /// The maximum number of submissions of the endpoint's service per second; nil for no limit.
    func submissionsPerSecond(of profile: EndpointProfile) -> Double? {
        limits.submissionsPerSecond ?? profile.limits.submitsPerSecond
    }

    /// The maximum number of requests of all kinds to a provider per second; nil for no limit.
    func callsPerSecond(of provider: ProviderName) -> Double? {
        limits.pollsPerSecond ?? catalog.provider(provider)?.maxRequestsPerSecond
    }

    // MARK: Submissions

    /// The endpoint as each account of its provider uses it.
    func endpoints(_ profile: EndpointProfile) -> [AccountEndpoint] {
        accounts.of(profile.provider).map { AccountEndpoint(profile, of: $0.name) }
    }

    /// The accounts that may have made an attempt of that time: those in the settings, and those that this or an
    /// earlier process has used since.
    func candidates(for account: AccountName, of provider: ProviderName, since: Timestamp) -> [AccountName] {
        guard account == .unknown else { return [account] }
        let named = accounts.of(provider).map(\.name)
        let used = Set(accounts.former.used(of: provider, since: since) + leases.held(of: provider))
        return named + used.subtracting(named).sorted()
    }

    /// What blocks all submissions of the endpoint; nil if an account may send them.
    func block(on profile: EndpointProfile, at now: Timestamp) -> SubmissionBlock? {
        let condition = storage.condition
        if let block = hold.block { return block }
        if condition != .sound { return .storage(condition, until: now + .seconds(5)) }
        return shared(profile) { accountBlock(on: $0, at: now) }
            ?? breakers.block(.endpoint(profile.name), at: now)
            ?? shared(profile) { block(on: $0, at: now) }
    }

    /// What blocks submissions of the endpoint by one account; nil if only a block of all accounts applies.
    func block(on endpoint: AccountEndpoint, at now: Timestamp) -> SubmissionBlock? {
        accountBlock(on: endpoint, at: now) ?? breakers.block(endpoint.submissions, at: now)
    }

    /// What blocks all requests of the account.
    private func accountBlock(on endpoint: AccountEndpoint, at now: Timestamp) -> SubmissionBlock? {
        guard accounts.canSend(by: endpoint.owner) else { return noToken(for: endpoint.profile) }
        return leases.block(on: endpoint.owner, at: now) ?? breakers.block(.account(endpoint.owner), at: now)
    }

    /// The block that ends first of those on each account; nil if one account is not blocked.
    func shared(
        _ profile: EndpointProfile, by block: (AccountEndpoint) -> SubmissionBlock?
    ) -> SubmissionBlock? {
        var first: SubmissionBlock?
        for endpoint in endpoints(profile) {
            guard let block = block(endpoint) else { return nil }
            guard let known = first else {
                first = block
                continue
            }
            if let until = block.until, known.until.map({ until < $0 }) ?? true { first = block }
        }
        return first ?? noToken(for: profile)
    }

    private func noToken(for profile: EndpointProfile) -> SubmissionBlock {
        .noToken(
            provider: profile.provider, variable: catalog.provider(profile.provider)?.tokenVariable ?? "its token")
    }

    /// What is known about a queued task once the store was read.
    struct QueueFacts: Sendable {
        /// What blocks it on every account.
        var block: SubmissionBlock?
        /// The tasks in flight; nil if an account has no limit, or if the store cannot be read.
        var load: TaskLoad?
    }

    /// Reads what ``block(of:at:knowing:)`` needs.
    func facts(about task: TrackedTask, at now: Timestamp) async -> QueueFacts {
        if let block = commonBlock(of: task, at: now) { return QueueFacts(block: block) }
        if !budgets.isEmpty, let shortage = try? await store.shortage(of: task.id, at: now) {
            return QueueFacts(block: .budget(shortage))
        }
        guard haveLimits(task, at: now) else { return QueueFacts() }
        let resubmissions = resubmissions.byService
        return QueueFacts(load: await counts.latest().map { TaskLoad($0, resubmissions: resubmissions) })
    }

    /// What blocks a queued task. It takes no slots or tokens, so it can be used for display.
    func block(of task: TrackedTask, at now: Timestamp, knowing facts: QueueFacts) -> SubmissionBlock {
        if let block = facts.block { return block }
        let (block, open) = accounts(for: task, at: now)
        if let block { return block }
        guard open.allSatisfy(hasLimit), let load = facts.load else { return .turn() }
        let full = open.compactMap { limit(of: $0, under: load) }
        return full.count == open.count ? full.first ?? .turn() : .turn()
    }

    /// Whether each account that may send the task has a limit of tasks in flight. Not inlined, like the next one: an
    /// asynchronous function keeps room for all that is inlined into it.
    @inline(never) private func haveLimits(_ task: TrackedTask, at now: Timestamp) -> Bool {
        accounts(for: task, at: now).open.allSatisfy(hasLimit)
    }

    /// What blocks the task on every account.
    @inline(never) private func commonBlock(of task: TrackedTask, at now: Timestamp) -> SubmissionBlock? {
        if let notBefore = task.notBefore, notBefore > now { return .notBefore(notBefore) }
        if let deadline = task.deadline, deadline <= now { return .deadlinePassed(deadline) }
        guard let profile = catalog.endpoint(task.endpoint) else { return .endpointGone(task.endpoint) }
        if let block = block(on: profile, at: now) { return block }
        guard let scope = startCheck.scope(of: task.endpoint), task.createdAt <= scope.startedAt else { return nil }
        return .startCheck(since: scope.since)
    }

    /// The accounts that may send the task, or what blocks the only one.
    private func accounts(
        for task: TrackedTask, at now: Timestamp
    ) -> (block: SubmissionBlock?, open: [AccountEndpoint]) {
        guard let profile = catalog.endpoint(task.endpoint) else { return (.endpointGone(task.endpoint), []) }
        guard let only = onlyAccount(for: task, of: profile) else {
            return (nil, endpoints(profile).filter { block(on: $0, at: now) == nil })
        }
        return (block(on: only, at: now), [only])
    }

    private func hasLimit(_ endpoint: AccountEndpoint) -> Bool {
        maxInFlight(of: endpoint.profile) != nil || accounts.account(endpoint.owner)?.maxInFlight != nil
    }

    /// The limit of tasks in flight that prevents the account from taking another task of the endpoint; nil if none
    /// does.
    private func limit(of endpoint: AccountEndpoint, under load: TaskLoad) -> SubmissionBlock? {
        let service = endpoint.service
        if let limit = maxInFlight(of: endpoint.profile), load.inFlight(of: service) >= limit {
            return .inFlightLimit(service: service.service, count: load.inFlight(of: service), limit: limit)
        }
        guard let limit = accounts.account(endpoint.owner)?.maxInFlight else { return nil }
        let count = places(of: endpoint.owner, under: load)
        return count >= limit ? .accountLimit(endpoint.owner, count: count, limit: limit) : nil
    }

    /// The number of places in flight of the account, over all services of its provider.
    private func places(of owner: ProviderAccount, under load: TaskLoad) -> Int {
        load.places(
            of: owner.account, in: Set(catalog.endpoints.filter { $0.provider == owner.provider }.map(\.name.service)))
    }

    /// The number of queued and in-flight tasks now, from one read of the store.
    func load() async throws(TaskStoreError) -> TaskLoad {
        let resubmissions = resubmissions.byService
        return TaskLoad(try await store.counts(), resubmissions: resubmissions)
    }

    /// How many more paid requests may be sent, over all endpoints.
    func room(under load: TaskLoad) -> Int { load.room(upTo: limits.submissionsInParallel) }

    /// How many tasks of the endpoint's service the account may send now, by its places in flight.
    func room(for endpoint: AccountEndpoint, under load: TaskLoad) -> Int {
        let service = maxInFlight(of: endpoint.profile).map { load.room(of: endpoint.service, upTo: $0) }
        let account = accounts.account(endpoint.owner)?.maxInFlight.map { $0 - places(of: endpoint.owner, under: load) }
        return min(room(under: load), service ?? .max, account ?? .max)
    }

    /// The account that takes the next task of the endpoint. Of those that may, it is the one with the most room, then
    /// with the fewest tasks in flight. Nil if none has room, or if the task waits for an account that may not.
    ///
    /// Accounts whose latest submissions failed come last. A failing account has few tasks in flight, and would
    /// otherwise get all new ones.
    func account(
        for task: TrackedTask, among endpoints: [AccountEndpoint], under load: TaskLoad
    ) -> AccountEndpoint? {
        let free = endpoints.filter { endpoint in
            room(for: endpoint, under: load) > 0
                && !(breakers.isHalfOpen(endpoint.submissions) && load.isSending(endpoint.service))
        }
        if let profile = endpoints.first?.profile, let own = onlyAccount(for: task, of: profile) {
            return free.first { $0.account == own.account }
        }
        // Of equals, the first in the settings is chosen.
        return free.enumerated().min { left, right in
            rank(left, under: load) < rank(right, under: load)
        }?.element
    }

    /// Whether the task waits for the only account that may send it, even if others are free.
    func waitsForItsAccount(
        _ task: TrackedTask, of profile: EndpointProfile, among endpoints: [AccountEndpoint], under load: TaskLoad
    ) -> Bool {
        onlyAccount(for: task, of: profile) != nil && account(for: task, among: endpoints, under: load) == nil
    }

    /// The sort key of accounts that may take a task; the least is chosen.
    private func rank(
        _ place: (offset: Int, element: AccountEndpoint), under load: TaskLoad
    ) -> (Int, Int, Int, Int) {
        let endpoint = place.element
        let isFailing = breakers.state(of: endpoint.submissions).failures > 0
        return (isFailing ? 1 : 0, -room(for: endpoint, under: load), load.inFlight(of: endpoint.service), place.offset)
    }

    /// The only account that may send the task again; nil if any may. It is the account of the latest attempt, if that
    /// attempt may have been accepted and the provider refuses a client id twice.
    func onlyAccount(for task: TrackedTask, of profile: EndpointProfile) -> AccountEndpoint? {
        guard task.mayHaveBeenAccepted, profile.dialect.ownIDMember != nil else { return nil }
        let endpoint = AccountEndpoint(profile, of: task.account)
        // An account that is no longer in the settings sends nothing.
        return accounts.account(endpoint.owner) == nil ? nil : endpoint
    }

    /// How many requests the account's rate allows now; nil for no limit.
    func tokens(for endpoint: AccountEndpoint) -> Int? {
        limiter.available(of: endpoint.owner, perSecond: callsPerSecond(of: endpoint.owner.provider))
    }

    /// Takes the resources for one submission of a queued task. Call it if nothing blocks the endpoint and the limits
    /// in flight leave room.
    ///
    /// A block without an end concerns this task only. One with an end concerns all tasks of the account's service.
    func admit(
        _ task: TrackedTask, of endpoint: AccountEndpoint, under load: TaskLoad, at now: Timestamp
    ) -> Admission {
        // After several failures, one request at a time shows whether the endpoint works again.
        if breakers.isHalfOpen(endpoint.submissions), load.isSending(endpoint.service) { return .blocked(.turn()) }
        // Before its claim is settled, it is unknown whether it is being sent.
        guard storage.unknownClaims[task.id] == nil else { return .blocked(.turn()) }
        if task.mayHaveBeenAccepted, !endpoint.profile.needsPersonWhenUncertain {
            // One at a time per service, so that a reading of the list does not get old while others wait for their
            // turns.
            return resubmissions.begin(task.id, of: endpoint.service) ? .afterLookup : .blocked(.turn())
        }
        // A lack of memory says nothing about the endpoint.
        guard let replyRoom = transport.roomForPaidReply() else {
            return .blocked(.turn(until: now + .seconds(1)))
        }
        if let slot = throttle.nextSlot(of: endpoint.service) ?? submissionSlot(of: endpoint) {
            return .blocked(.turn(until: slot))
        }
        return .granted(replyRoom)
    }

    /// Takes the next slot in the pace of the endpoint's service, or returns its time.
    func takePace(of endpoint: AccountEndpoint) -> Timestamp? {
        throttle.reserve(endpoint.service, perSecond: submissionsPerSecond(of: endpoint.profile))
    }

    /// Counts a submission that is sent now, in the pace of its service.
    func pace(_ endpoint: AccountEndpoint) {
        throttle.take(endpoint.service, perSecond: submissionsPerSecond(of: endpoint.profile))
    }

    // MARK: Rates

    /// Takes a token of the account's rate for a submission, or returns when to try again.
    private func submissionSlot(of endpoint: AccountEndpoint) -> Timestamp? {
        limiter.reserve(
            .submissions(endpoint.name, endpoint.account), of: endpoint.owner,
            perSecond: callsPerSecond(of: endpoint.owner.provider))
    }

    /// Takes a token of the account's rate for a status query, or returns when to try again.
    func querySlot(of endpoint: AccountEndpoint) -> Timestamp? {
        limiter.reserve(
            .queries(endpoint.service), of: endpoint.owner, perSecond: callsPerSecond(of: endpoint.owner.provider))
    }

    /// Waits for a token of the account's rate for a submission; false if the daemon stops first.
    func waitForSubmissionSlot(of endpoint: AccountEndpoint) async -> Bool {
        await wait { submissionSlot(of: endpoint) }
    }

    /// Waits for a token of the account's rate for a status query; false if the daemon stops first.
    func waitForQuerySlot(of endpoint: AccountEndpoint) async -> Bool { await wait { querySlot(of: endpoint) } }

    private func wait(for slot: () -> Timestamp?) async -> Bool {
        while let slot = slot() {
            guard !Task.isCancelled else { return false }
            await time.sleep(until: slot)
        }
        return true
    }
}

extension TrackedTask {
    /// Whether an earlier attempt of a queued task may have been accepted, because a person or the policy had it sent
    /// again.
    var mayHaveBeenAccepted: Bool {
        attempts > 0 && (resolution == .resubmitted || resolution == .resubmittedByPolicy)
    }
}
