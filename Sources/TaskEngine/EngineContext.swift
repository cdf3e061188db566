package import Logging
package import PollingPolicy
package import ProviderCatalog
import RateLimiting
package import TaskModel
package import TaskStore
import VerbatimJSON

/// What the engine's parts share: the store, the rules, the clock, and the hints between them.
package struct EngineContext: Sendable {
    package let store: TaskStore
    package let catalog: ProviderCatalog
    package let transport: any UpstreamTransport
    package let limits: EngineLimits
    package let polling: PollingPolicy
    package let lookups: LookupPolicy
    package let defaultOnUncertain: UncertainPolicy
    package let time: any TimeSource
    package let random: EngineRandom
    package let logger: Logger
    /// Where providers call back, and whether they do; nil where callbacks are off.
    package let callbacks: CallbackMonitor?
    /// What providers sign callbacks with, by their names; where there is none, signatures are not checked.
    let callbackSecrets: [String: String]
    /// Takes secrets out of callbacks; replies come without them.
    let redactor: SecretRedactor
    /// Told when a point is passed at which tests kill the daemon; nothing in a release build.
    package let passed: @Sendable (CrashPoint) -> Void

    /// Whether a request may go now.
    let admission: AdmissionControl
    let clock: ClockJumpDetector
    let statistics: StatisticsCache
    let plans = PollPlanCache()
    let inFlightPolls = InFlightPolls()
    let calls = PollCountBuffer()
    let feed = EventFeed()
    let meter: PollRateCounter
    let unrecognised = UnrecognisedResponses()
    let wakes = WakeSignals()
    let storage = StorageWatch()

    /// Puts the parts together; reads what holds requests back from the store.
    package init(
        store: TaskStore, catalog: ProviderCatalog, transport: any UpstreamTransport,
        limits: EngineLimits = EngineLimits(), polling: PollingPolicy = PollingPolicy(),
        defaultOnUncertain: UncertainPolicy = .hold, hasToken: @escaping @Sendable (String) -> Bool,
        callbacksAt publicURL: String? = nil, callbackSecrets: [String: String] = [:],
        redactor: SecretRedactor = SecretRedactor(), time: any TimeSource, random: EngineRandom, logger: Logger,
        passed: @escaping @Sendable (CrashPoint) -> Void = { _ in }
    ) async throws(TaskStoreError) {
        self.store = store
        self.catalog = catalog
        self.transport = transport
        self.limits = limits
        self.polling = polling
        self.lookups = LookupPolicy(maxGap: polling.maxGap)
        self.defaultOnUncertain = defaultOnUncertain
        self.time = time
        self.random = random
        self.logger = logger
        self.passed = passed
        self.callbackSecrets = callbackSecrets
        self.redactor = redactor
        callbacks = publicURL.map { CallbackMonitor(publicURL: $0) }
        admission = AdmissionControl(
            breakers: CircuitBreakers(
                try await store.circuits(), at: time.now(), store: store,
                backoff: Backoff(base: polling.minGap * 2, cap: polling.maxGap), random: random, logger: logger),
            hasToken: hasToken, storage: storage, store: store, transport: transport, catalog: catalog, limits: limits,
            time: time)
        clock = ClockJumpDetector(time)
        meter = PollRateCounter(time)
        statistics = StatisticsCache(store: store) { endpoint in
            let profile = catalog.endpoint(endpoint)
            return DurationModel(typical: profile?.typicalDuration, upper: profile?.upperDuration)
        }
        subscribeToLog()
    }

    /// Records what happened, however long it takes to get it on disk: an answer that cost money must not be dropped
    /// because the disk is full for a while.
    ///
    /// Gives up only while the daemon stops, and where the database is damaged; the next start then finds the task as
    /// it was and asks the provider. After a commit that may be on disk the same is written once more: what was stored then
    /// is ignored by the task's lifecycle.
    func record(_ events: [ScheduledEvent], updating statistics: StatisticsUpdates = StatisticsUpdates()) async
        -> [TaskChange]
    {
        var wait = Duration.seconds(1)
        var mayBeStored = false
        while true {
            do throws(TaskStoreError) {
                let changes = try await store.apply(events, at: time.now(), updating: statistics.updates)
                if mayBeStored { doubtWhatIsKnown() }
                return changes
            } catch {
                if case .unknown = error { mayBeStored = true }
                logger.error("Could not store what the provider answered: \(error.message) Trying again.")
                if case .damaged = error { return [] }
                // Files that were taken away do not come back because somebody waits for the daemon to stop.
                if case .replaced = error, feed.isClosing { return [] }
            }
            if Task.isCancelled { return [] }
            await time.sleep(until: time.now() + wait)
            wait = min(wait * 2, .seconds(15))
        }
    }

    /// Stores statistics that no event goes with. A failure is logged and not retried.
    func updateStatistics(_ statistics: StatisticsUpdates) async {
        do throws(TaskStoreError) {
            _ = try await store.apply([], at: time.now(), updating: statistics.updates)
        } catch {
            logger.error("Could not store the statistics of a call: \(error.message)")
        }
    }
}

/// The hints between the engine's loops.
struct WakeSignals: Sendable {
    let submitter = WakeSignal()
    let polls = WakeSignal()
    let lookups = WakeSignal()
    let deadlines = WakeSignal()

    /// There may be something to do for all of them.
    func signalAll() {
        for wake in [submitter, polls, lookups, deadlines] { wake.signal() }
    }
}
