package import Logging
package import PollingPolicy
package import ProviderCatalog
import RateLimiting
package import ServiceLifecycle
package import TaskModel
package import TaskStore

/// Builds the shared parts of the engine once, and passes each consumer the parts that it uses.
package final class TaskEngine: Sendable {
    /// The entry point for programs and people.
    package let service: TaskService
    /// Shows and pauses endpoints.
    package let endpoints: EndpointService
    /// The entry point for providers.
    package let callbacks: CallbackReceiver
    /// Shows and accepts a restore of the database.
    package let restores: RestoreService
    /// Compares the providers' lists with the tasks.
    package let reconciliation: ReconcileService
    /// Pins tasks and removes details.
    package let retention: RetentionService
    /// Shows and tests destinations of notifications.
    package let notifications: NotificationService
    /// Shows what is spent, and changes limits.
    package let money: MoneyService
    /// Logs actions of people that log nothing themselves.
    package let actions: ActionLog
    /// The streams of events that clients follow.
    package let streams: EventStreams
    /// Serves programs that speak to a provider through the gateway.
    package let gateway: GatewayService
    /// Stores what became of the gateway's replies.
    package let fateRecorder: FateRecorder
    /// Collects the metrics.
    package let metrics: MetricsService
    /// Checks what the daemon works with.
    package let examination: EngineExamination
    /// Recovers the state at a start. It must run before the loops.
    package let recovery: StartupRecovery
    /// Sends queued tasks.
    package let submitter: WorkerLoop<Submitter>
    /// Polls running tasks.
    package let scheduler: WorkerLoop<PollScheduler>
    /// Searches for lost attempts.
    package let reconciler: WorkerLoop<Reconciler>
    /// Ends tasks whose deadline has passed.
    package let deadlines: WorkerLoop<DeadlineEnforcer>
    /// Removes old tasks and details.
    package let sweeper: WorkerLoop<RetentionSweeper>
    /// Sends notifications.
    package let notifier: WorkerLoop<Notifier>
    /// Compares the providers' lists with the tasks.
    package let reconcileTimer: WorkerLoop<ReconcileTimer>
    /// Fetches the files of results; nil if there is no place for them.
    package let fetcher: WorkerLoop<ArtefactFetcher>?
    /// Removes files of results; nil if there is no place for them.
    package let remover: WorkerLoop<ArtefactRemover>?
    /// Shows files of results, and has them fetched; nil if there is no place for them.
    package let artefacts: ArtefactService?
    /// Checks the storage.
    package let storage: StorageKeeper
    /// Renews the leases; nil if this process has the store to itself.
    package let renewal: WorkerLoop<LeaseRenewal>?
    /// Follows the commits of other processes; nil if this process has the store to itself.
    package let follower: WorkerLoop<LogFollower>?

    private let plans: PollPlanCache
    private let statistics: StatisticsCache
    private let wakes: WakeSignals

    /// Builds all parts, and reads the circuit breakers from the store.
    ///
    /// `version` grows with every replacement of the settings or the tokens. `accounts` returns the current accounts of
    /// a provider, at least one. `isHeld` holds back all paid requests until a person resumes them. Callbacks are off
    /// without a `publicURL`. `metrics` counts from the start of the process. `passed` is called at the points at which
    /// tests kill the daemon.
    package init(
        store: TaskStore, settings: Current<EngineSettings>, version: Current<Int> = Current(always: 0),
        transport: any UpstreamTransport, accounts: @escaping @Sendable (ProviderName) -> [Account],
        callbacksAt publicURL: String? = nil, downloads: (any ArtefactDownloads)? = nil,
        sender: (any NotificationSender)? = nil, isHeld: Bool = false, metrics: EngineMetrics = EngineMetrics(),
        time: any TimeSource, random: EngineRandom,
        logger: Logger, passed: @escaping @Sendable (CrashPoint) -> Void = { _ in }
    ) async throws(TaskStoreError) {
        let databaseClock = store.leaseTerm == nil ? nil : try await DatabaseClock(time, store)
        let time: any TimeSource = databaseClock ?? time
        // Before anything is read that others may change.
        if databaseClock != nil { try await store.log.beginFollowing() }
        // Another process may have the lease, and die before it has begun. What succeeds from now on is fetched nevertheless.
        if databaseClock != nil, downloads != nil { _ = try await store.artefactPlace() }
        let catalog = settings.view(\.catalog)
        let limits = settings.view(\.limits)
        let polling = settings.view(\.polling)
        let minGap = settings.view(\.polling.minGap)
        // The limits that no setting changes.
        let fixed = settings.wrappedValue.limits
        // Signals, caches and counts.
        let (wakes, feed, plans, inFlight) = (WakeSignals(), EventFeed(fixed), PollPlanCache(), InFlightPolls())
        let (clock, meter) = (ClockJumpDetector(time), PollRateCounter(time))
        let unrecognised = UnrecognisedResponses(logger: logger)
        let monitor = publicURL.map { CallbackMonitor(publicURL: $0, random: random, logger: logger) }
        let statistics = StatisticsCache(store: store) { endpoint in
            let profile = catalog.wrappedValue.endpoint(endpoint)
            return DurationModel(typical: profile?.typicalDuration, upper: profile?.upperDuration)
        }
        let counts = LatestCounts(store: store)
        let streams = EventStreams(store: store, random: random, time: time)
        LogSubscribers(
            metrics: metrics, callbacks: monitor, statistics: statistics, counts: counts, unrecognised: unrecognised,
            inFlightPolls: inFlight, plans: plans, feed: feed, streams: streams,
            destinations: settings.view(\.destinations), wakes: wakes,
            logger: logger
        ).register(with: store.log)

        // The parts that several consumers use.
        let storage = StorageMonitor(
            store: store, plans: plans, counts: counts, feed: feed, streams: streams, wakes: wakes, logger: logger)
        let breakers = CircuitBreakers(
            try await store.circuits(), at: time.now(), store: store,
            backoff: polling.view { Backoff(base: $0.minGap * 2, cap: $0.maxGap) }, random: random, logger: logger)
        let hold = StartHold(isAskedFor: isHeld)
        let admission = AdmissionControl(
            breakers: breakers, hold: hold, accounts: ProviderAccounts(of: accounts), storage: storage, store: store,
            counts: counts, transport: transport, catalog: catalog, budgets: settings.view(\.budgets), limits: limits,
            time: time)
        let lookups = polling.view { LookupPolicy(maxGap: $0.maxGap) }
        let schedule = ScheduleCorrector(
            clock: clock, store: store, breakers: breakers, plans: plans, polls: inFlight, leases: admission.leases,
            wakes: wakes, time: time,
            longestPollGap: settings.view {
                max($0.polling.maxGap, PollingPolicy.maxUnrecognisedGap, $0.catalog.longestMinGap)
            },
            longestLookupGap: lookups.wrappedValue.slowest, tooLargeGap: fixed.tooLargeGap, logger: logger)
        let recorder = OutcomeRecorder(store: store, storage: storage, feed: feed, time: time, logger: logger)
        let sampler = CompletionSampler(statistics: statistics, clock: clock)
        let planner = SchedulePlanner(
            polling: polling, catalog: catalog, statistics: statistics, unrecognised: unrecognised, random: random)
        let queries = QuerySender(
            transport: transport, meter: meter, metrics: metrics, timeout: fixed.pollTimeout)
        let search = LostAttemptSearch(
            store: store, catalog: catalog, limits: limits, version: version, admission: admission, sender: queries,
            time: time, logger: logger)

        (self.plans, self.statistics, self.wakes, self.streams) = (plans, statistics, wakes, streams)

        let starts = StartChecker(
            store: store, catalog: catalog, check: admission.startCheck, search: search, wakes: wakes, time: time,
            logger: logger)

        let fetching = InFlightArtefacts()

        // The entry points.
        let newTasks = NewTaskBuilder(
            catalog: catalog, random: random, defaultOnUncertain: settings.view(\.defaultOnUncertain),
            destinations: settings.view(\.destinations))
        service = TaskService(
            store: store, catalog: catalog, admission: admission, storage: storage, newTasks: newTasks,
            cancellation: RemoteCancellation(
                catalog: catalog, admission: admission, transport: transport, logger: logger),
            sampler: sampler,
            forecaster: TaskForecaster(
                catalog: catalog, statistics: statistics, admission: admission, inFlightPolls: inFlight,
                unrecognised: unrecognised, time: time),
            feed: feed, fetching: fetching, wakes: wakes, time: time, passed: passed)
        artefacts = downloads.map { downloads in
            ArtefactService(
                store: store, catalog: catalog, downloads: downloads, storage: storage, wakes: wakes, time: time)
        }
        let fates = ExchangeFates()
        admission.leases.store(fates)
        let tokens = try await LocalTokens(store, random: random, time: time)
        gateway = GatewayService(
            tokens: tokens, fates: fates, catalog: catalog,
            store: store, service: service, newTasks: newTasks, admission: admission, transport: transport,
            storage: storage, feed: feed, unknown: UnknownIDs(), random: random, wakes: wakes, time: time,
            logger: logger)
        fateRecorder = FateRecorder(fates: fates, store: store, time: time)
        endpoints = EndpointService(
            store: store, catalog: catalog, admission: admission, statistics: statistics, meter: meter,
            unrecognised: unrecognised, callbacks: monitor, schedule: schedule, wakes: wakes, time: time, logger: logger
        )
        callbacks = CallbackReceiver(
            monitor: monitor, secrets: settings.view(\.callbackSecrets), redactor: settings.view(\.redactor),
            store: store, storage: storage,
            catalog: catalog, minGap: minGap, wakes: wakes, time: time, logger: logger)

        restores = RestoreService(
            store: store, hold: hold,
            records: UnownedRecordSearch(
                store: store, catalog: catalog, limits: fixed, admission: admission,
                lists: ProviderLists(
                    admission: admission, sender: queries, limits: fixed, time: time, logger: logger)),
            random: random, wakes: wakes, time: time, logger: logger)
        var whole = fixed
        whole.listPages = ReconcileService.pages
        reconciliation = ReconcileService(
            store: store, catalog: catalog, limits: limits, version: version, admission: admission,
            lists: ProviderLists(admission: admission, sender: queries, limits: whole, time: time, logger: logger),
            service: service, wakes: wakes, time: time, logger: logger)
        retention = RetentionService(
            store: store, policy: settings.view(\.retention), hold: hold, startCheck: admission.startCheck,
            storage: storage, feed: feed, wakes: wakes, time: time, logger: logger)

        actions = ActionLog(store: store, storage: storage, time: time, logger: logger)
        money = MoneyService(store: store, storage: storage, wakes: wakes, time: time)

        // The loops.
        func loop<Driven: Worker>(_ worker: Driven, under lease: LeaseName? = nil) -> WorkerLoop<Driven> {
            WorkerLoop(
                worker: worker, lease: lease, leases: admission.leases, storage: storage, schedule: schedule,
                time: time,
                logger: logger)
        }
        renewal = databaseClock.map { clock in
            loop(
                LeaseRenewal(store: store, leases: admission.leases, clock: clock, wakes: wakes, logger: logger))
        }
        let witness = WitnessCheck(
            store: store, hold: hold, leases: admission.leases, streams: streams, random: random, wakes: wakes,
            logger: logger)
        follower = databaseClock.map { _ in
            loop(
                LogFollower(
                    store: store, breakers: breakers, tokens: tokens, fates: fates, hold: hold, witness: witness,
                    wakes: wakes, logger: logger))
        }
        recovery = StartupRecovery(
            store: store, catalog: catalog, accounts: admission.accounts, hold: hold, fates: fates, starts: starts,
            schedule: schedule, witness: witness, time: time, logger: logger)
        self.storage = StorageKeeper(store: store, monitor: storage, time: time, logger: logger)
        deadlines = loop(
            DeadlineEnforcer(
                store: store, schedule: schedule, sampler: sampler, steadySpan: fixed.steadySpan, wakes: wakes),
            under: .deadlines)
        sweeper = loop(
            RetentionSweeper(
                store: store, policy: settings.view(\.retention), hold: hold, startCheck: admission.startCheck,
                clock: clock, steadySpan: fixed.steadySpan, wakes: wakes, logger: logger), under: .retention)
        let remover = downloads.map {
            ArtefactRemover(store: store, downloads: $0, wakes: wakes, logger: logger, passed: passed)
        }
        self.remover = remover.map { loop($0, under: .artefacts) }
        fetcher = downloads.flatMap { downloads in
            guard let remover else { return nil }
            return loop(
                ArtefactFetcher(
                    store: store, settings: settings.view(\.artefacts), catalog: catalog, downloads: downloads,
                    renewal: ArtefactRenewal(store: store, catalog: catalog, admission: admission, sender: queries),
                    remover: remover, inFlight: fetching, wakes: wakes, time: time, logger: logger, passed: passed),
                under: .artefacts)
        }
        let notifier = Notifier(
            store: store, destinations: settings.view(\.destinations), sender: sender ?? NoSender(), limits: fixed,
            hold: hold, leases: admission.leases, callbacks: CallbackBodies(store: store, catalog: catalog),
            queues: DeliveryQueues(),
            random: random, wakes: wakes, time: time, logger: logger, passed: passed)
        self.notifier = loop(notifier)
        notifications = NotificationService(notifier: notifier)
        self.metrics = MetricsService(
            metrics: metrics, store: store, catalog: catalog, breakers: breakers, unrecognised: unrecognised,
            notifications: notifications, artefacts: artefacts, time: time)
        examination = EngineExamination(
            store: store, catalog: catalog, hold: hold,
            accounts: AccountExamination(admission: admission, sender: queries, time: time),
            notifications: notifications, capture: settings.view(\.artefacts), artefacts: artefacts)
        reconciler = loop(
            Reconciler(
                store: store, catalog: catalog, admission: admission, search: search, starts: starts, lookups: lookups,
                limits: fixed,
                clock: clock, random: random, wakes: wakes, time: time, logger: logger))
        reconcileTimer = loop(
            ReconcileTimer(
                store: store, service: reconciliation, interval: settings.view(\.reconcileInterval), hold: hold,
                wakes: wakes, time: time, logger: logger), under: .reconciliation)
        let notFound = NotFoundPolicy(store: store, catalog: catalog, limits: fixed, clock: clock, logger: logger)
        let calls = PollCountBuffer()
        let poller = Poller(
            sender: queries, calls: calls, metrics: metrics, admission: admission, inFlight: inFlight,
            results: PollResults(
                recorder: recorder, planner: planner, sampler: sampler, unrecognised: unrecognised,
                notFound: notFound, calls: calls, minGap: minGap, wakes: wakes),
            failures: PollFailures(
                recorder: recorder, admission: admission, inFlight: inFlight, polling: polling,
                tooLargeGap: fixed.tooLargeGap, time: time, logger: logger),
            batchSize: fixed.batchSize, time: time, passed: passed)
        scheduler = loop(
            PollScheduler(
                store: store,
                planner: PollPlanner(
                    store: store, catalog: catalog, admission: admission, statistics: statistics,
                    unrecognised: unrecognised, inFlight: inFlight, polling: polling, limits: fixed, logger: logger),
                plans: plans, admission: admission, inFlight: inFlight, poller: poller,
                pollsInParallel: fixed.pollsInParallel, random: random, wakes: wakes))
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

    /// Builds the engine with settings that never change.
    package convenience init(
        store: TaskStore, catalog: ProviderCatalog, transport: any UpstreamTransport,
        limits: EngineLimits = EngineLimits(), polling: PollingPolicy = PollingPolicy(),
        defaultOnUncertain: UncertainPolicy = .hold, accounts: @escaping @Sendable (ProviderName) -> [Account],
        callbacksAt publicURL: String? = nil, callbackSecrets: [ProviderName: String] = [:],
        redactor: SecretRedactor = SecretRedactor(), isHeld: Bool = false, time: any TimeSource, random: EngineRandom,
        logger: Logger,
        passed: @escaping @Sendable (CrashPoint) -> Void = { _ in }
    ) async throws(TaskStoreError) {
        let settings = EngineSettings(
            catalog: catalog, limits: limits, polling: polling, defaultOnUncertain: defaultOnUncertain,
            callbackSecrets: callbackSecrets, redactor: redactor)
        try await self.init(
            store: store, settings: Current(always: settings), transport: transport, accounts: accounts,
            callbacksAt: publicURL, isHeld: isHeld, time: time, random: random, logger: logger, passed: passed)
    }

    /// Follows a replacement of the settings: drops values computed from the former ones, and wakes the loops.
    package func followReload() {
        statistics.forgetAll()
        plans.forgetAll()
        wakes.signalAll()
    }

    /// Looks for commits of other processes at once, because one is known to exist.
    package func noteCommitOfOthers() { wakes.following.signal() }

    /// The loops, in start order.
    package var loops: [any Service] {
        let loops: [any Service] = [
            storage, deadlines, reconciler, scheduler, submitter, sweeper, notifier, fateRecorder, reconcileTimer,
        ]
        let files: [(any Service)?] = [fetcher, remover]
        // The first one stops last.
        let first: [any Service] = [renewal.map { LeaseService(loop: $0) } as (any Service)?, follower]
            .compactMap { $0 }
        return first + loops + files.compactMap { $0 }
    }
}
