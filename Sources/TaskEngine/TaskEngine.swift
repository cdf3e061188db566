package import Logging
package import PollingPolicy
package import ProviderCatalog
import RateLimiting
package import ServiceLifecycle
package import TaskModel
package import TaskStore

/// The engine put together: it builds each shared part once, and hands every consumer the parts that it uses.
package struct TaskEngine: Sendable {
    /// The one way in for programs and people.
    package let service: TaskService
    /// Shows and pauses endpoints.
    package let endpoints: EndpointService
    /// The one way in for providers.
    package let callbacks: CallbackReceiver
    /// Shows and accepts a restore of the database.
    package let restores: RestoreService
    /// Must run before the loops.
    package let recovery: StartupRecovery
    /// Sends what is queued.
    package let submitter: WorkerLoop<Submitter>
    /// Asks about what is running.
    package let scheduler: WorkerLoop<PollScheduler>
    /// Looks for what was lost.
    package let reconciler: WorkerLoop<Reconciler>
    /// Ends what is out of time.
    package let deadlines: WorkerLoop<DeadlineEnforcer>
    /// Looks after the storage.
    package let storage: StorageKeeper

    /// Builds all parts; reads the circuit breakers from the store.
    ///
    /// `accounts` are those of a provider in the settings, at least one. `isHeld` holds back everything paid until a person resumes it. Callbacks are off without a `publicURL`. `passed` is called at the points at which tests kill the daemon.
    package init(
        store: TaskStore, catalog: ProviderCatalog, transport: any UpstreamTransport,
        limits: EngineLimits = EngineLimits(), polling: PollingPolicy = PollingPolicy(),
        defaultOnUncertain: UncertainPolicy = .hold, accounts: @escaping @Sendable (ProviderName) -> [Account],
        callbacksAt publicURL: String? = nil, callbackSecrets: [ProviderName: String] = [:],
        redactor: SecretRedactor = SecretRedactor(), isHeld: Bool = false, time: any TimeSource, random: EngineRandom,
        logger: Logger,
        passed: @escaping @Sendable (CrashPoint) -> Void = { _ in }
    ) async throws(TaskStoreError) {
        // Hints, caches and counts.
        let (wakes, feed, plans, inFlight) = (WakeSignals(), EventFeed(limits), PollPlanCache(), InFlightPolls())
        let (clock, meter) = (ClockJumpDetector(time), PollRateCounter(time))
        let unrecognised = UnrecognisedResponses(logger: logger)
        let monitor = publicURL.map { CallbackMonitor(publicURL: $0, random: random, logger: logger) }
        let statistics = StatisticsCache(store: store) { endpoint in
            let profile = catalog.endpoint(endpoint)
            return DurationModel(typical: profile?.typicalDuration, upper: profile?.upperDuration)
        }
        LogSubscribers(
            callbacks: monitor, statistics: statistics, unrecognised: unrecognised, inFlightPolls: inFlight,
            plans: plans, feed: feed, logger: logger
        ).register(with: store.log)

        // What several consumers use.
        let storage = StorageMonitor(store: store, plans: plans, feed: feed, wakes: wakes, logger: logger)
        let breakers = CircuitBreakers(
            try await store.circuits(), at: time.now(), store: store,
            backoff: Backoff(base: polling.minGap * 2, cap: polling.maxGap), random: random, logger: logger)
        let hold = StartHold(isAskedFor: isHeld)
        let admission = AdmissionControl(
            breakers: breakers, hold: hold, accounts: ProviderAccounts(of: accounts), storage: storage, store: store,
            transport: transport, catalog: catalog, limits: limits, time: time)
        let lookups = LookupPolicy(maxGap: polling.maxGap)
        let schedule = ScheduleCorrector(
            clock: clock, store: store, breakers: breakers, plans: plans, wakes: wakes, time: time,
            longestPollGap: max(polling.maxGap, PollingPolicy.maxUnrecognisedGap, catalog.longestMinGap),
            longestLookupGap: lookups.slowest, logger: logger)
        let recorder = OutcomeRecorder(store: store, storage: storage, feed: feed, time: time, logger: logger)
        let sampler = CompletionSampler(statistics: statistics, clock: clock)
        let planner = SchedulePlanner(
            polling: polling, catalog: catalog, statistics: statistics, unrecognised: unrecognised, random: random)
        let queries = QuerySender(transport: transport, meter: meter, timeout: limits.pollTimeout)
        let search = LostAttemptSearch(
            store: store, catalog: catalog, limits: limits, admission: admission, sender: queries, time: time,
            logger: logger)

        // The ways in.
        service = TaskService(
            store: store, catalog: catalog, admission: admission, storage: storage,
            newTasks: NewTaskBuilder(catalog: catalog, random: random, defaultOnUncertain: defaultOnUncertain),
            cancellation: RemoteCancellation(
                catalog: catalog, admission: admission, transport: transport, logger: logger),
            sampler: sampler,
            forecaster: TaskForecaster(
                catalog: catalog, statistics: statistics, admission: admission, inFlightPolls: inFlight,
                unrecognised: unrecognised, time: time),
            feed: feed, wakes: wakes, time: time, passed: passed)
        endpoints = EndpointService(
            store: store, catalog: catalog, admission: admission, statistics: statistics, meter: meter,
            unrecognised: unrecognised, callbacks: monitor, wakes: wakes, time: time, logger: logger)
        callbacks = CallbackReceiver(
            monitor: monitor, secrets: callbackSecrets, redactor: redactor, store: store, storage: storage,
            catalog: catalog, minGap: polling.minGap, wakes: wakes, time: time, logger: logger)

        restores = RestoreService(store: store, hold: hold, random: random, wakes: wakes, time: time, logger: logger)

        // The loops.
        func loop<Driven: Worker>(_ worker: Driven) -> WorkerLoop<Driven> {
            WorkerLoop(worker: worker, storage: storage, schedule: schedule, time: time, logger: logger)
        }
        recovery = StartupRecovery(
            store: store, catalog: catalog, accounts: admission.accounts, hold: hold, schedule: schedule,
            random: random,
            time: time, logger: logger)
        self.storage = StorageKeeper(store: store, monitor: storage, time: time, logger: logger)
        deadlines = loop(
            DeadlineEnforcer(
                store: store, schedule: schedule, sampler: sampler, steadySpan: limits.steadySpan, wakes: wakes))
        reconciler = loop(
            Reconciler(
                store: store, catalog: catalog, admission: admission, search: search, lookups: lookups, limits: limits,
                clock: clock, random: random, wakes: wakes, time: time, logger: logger))
        let notFound = NotFoundPolicy(store: store, catalog: catalog, limits: limits, clock: clock, logger: logger)
        let calls = PollCountBuffer()
        let poller = Poller(
            sender: queries, calls: calls, admission: admission, inFlight: inFlight,
            results: PollResults(
                recorder: recorder, planner: planner, sampler: sampler, unrecognised: unrecognised,
                notFound: notFound, calls: calls, minGap: polling.minGap, wakes: wakes),
            failures: PollFailures(
                recorder: recorder, admission: admission, inFlight: inFlight, polling: polling,
                tooLargeGap: limits.tooLargeGap, time: time, logger: logger),
            batchSize: limits.batchSize, time: time, passed: passed)
        scheduler = loop(
            PollScheduler(
                store: store,
                planner: PollPlanner(
                    store: store, catalog: catalog, admission: admission, statistics: statistics,
                    unrecognised: unrecognised, inFlight: inFlight, polling: polling, limits: limits, logger: logger),
                plans: plans, admission: admission, inFlight: inFlight, poller: poller,
                pollsInParallel: limits.pollsInParallel, random: random, wakes: wakes))
        let starter = AttemptStarter(
            store: store, limits: limits, admission: admission, storage: storage, callbacks: monitor, logger: logger)
        submitter = loop(
            Submitter(
                store: store, catalog: catalog, admission: admission, storage: storage, starter: starter,
                resubmitter: Resubmitter(
                    store: store, transport: transport, admission: admission, search: search, starter: starter,
                    storage: storage, feed: feed, wakes: wakes, time: time, logger: logger),
                sender: SubmissionSender(
                    store: store, transport: transport, limits: limits, admission: admission, planner: planner,
                    sampler: sampler, recorder: recorder, wakes: wakes, time: time, passed: passed),
                feed: feed, random: random, wakes: wakes))
    }

    /// The loops, in the order in which they start.
    package var loops: [any Service] { [storage, deadlines, reconciler, scheduler, submitter] }
}
