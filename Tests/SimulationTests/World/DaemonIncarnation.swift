import Logging
import ProviderCatalog
import Randomness
import SQLiteDriver
import Synchronization
import TaskModel
import TaskStore
import TaskTesting

@testable import TaskEngine

/// One run of the daemon, from its start to a crash.
struct DaemonIncarnation: Sendable {
    /// A unit of claimed work of any loop.
    struct Piece: Sendable {
        let name: String
        let perform: @Sendable () async -> Void
    }

    /// The result of a claim.
    struct Claim: Sendable {
        let pieces: [Piece]
        let next: Result<Timestamp, TaskStoreError>
    }

    /// A type-erased loop. It handles wake signals like the real loop.
    struct Loop: Sendable {
        let name: String
        let claim: @Sendable () async -> Claim
        private let wake: WakeSignal
        /// Whether a wake signal is pending.
        var isSignalled: Bool { wake.isSignalled }

        init<Driven: Worker>(
            _ loop: WorkerLoop<Driven>, _ name: String, piece: @escaping @Sendable (Driven.Work) -> String
        ) {
            self.name = name
            let wake = loop.worker.wake
            self.wake = wake
            claim = {
                wake.takeSignal()
                let (work, next) = await loop.claim()
                let pieces = work.map { work in
                    Piece(name: piece(work)) {
                        await loop.worker.perform(work)
                        wake.signal()
                    }
                }
                return Claim(pieces: pieces, next: next)
            }
        }
    }

    /// What a daemon has to do with others on the same store.
    struct Sharing: Sendable {
        let server: Server
        let truth: LeaseTruth
        let seen: SeenLines
        /// The journal of its machine.
        let journal: SimulatedJournal
    }

    /// Whether this daemon has been killed.
    final class StopFlag: Sendable {
        private let stopped = Mutex(false)
        var isDead: Bool { stopped.withLock { $0 } }
        func stop() { stopped.withLock { $0 = true } }
    }

    let service: TaskService
    let endpoints: EndpointService
    let restores: RestoreService
    let reconciliation: ReconcileService
    let retention: RetentionService
    let money: MoneyService
    /// Nil if files are not fetched.
    let artefacts: ArtefactService?
    /// Why the database counts as an older copy; nil if it does not.
    let copyReason: String?
    let callbacks: CallbackReceiver
    let gateway: GatewayService
    let streams: EventStreams
    let fateRecorder: FateRecorder
    let loops: [Loop]
    private let submitter: Submitter
    private let settings: Reloadable<EngineSettings>
    private let engine: TaskEngine
    private let clock: SimulatedClock
    private let sqlite: any StoreDriver
    private let forgetsSettings: Bool
    private let stopFlag: StopFlag
    let world: World
    /// Whether this daemon has been killed.
    var isDead: Bool { stopFlag.isDead }
    /// The provider's full catalog, even if the settings lack a part of it.
    private let catalog: ProviderCatalog

    /// Starts like the daemon: loads the circuit breakers, then declares the attempts of a dead daemon lost.
    init(
        on sqlite: any StoreDriver, path: String, beside witness: SimulatedWitness = SimulatedWitness(),
        in world: World, number: Int, stopFlag: StopFlag, mutant: Mutant?, sharing: Sharing? = nil
    ) async throws {
        let holder = LeaseHolder(name: "life \(number)", token: Self.token(of: number, in: world))
        let truth = sharing?.truth
        let database: any StoreDriver = sharing.map { SharedDriver($0.server, truth: $0.truth) } ?? sqlite
        let base = try mutant?.wrap(database, path: path) ?? database
        let stepped = SteppedDriver(
            base: base, world: world, takesUnknownForNo: mutant?.takesUnknownForNo ?? false, isOnDisk: sharing == nil
        ) { stopFlag.isDead }
        let driver: any StoreDriver =
            mutant?.witnessesFirst == true ? EarlyWitnessDriver(base: stepped, witness: witness) : stepped
        var limits = EngineLimits()
        limits.listedWithin = ProviderTruth.listedWithin
        mutant?.limits?(&limits)
        var next = EngineSettings(
            catalog: world.catalogOfStart(), limits: limits, polling: world.polling,
            retention: world.retention, artefacts: ArtefactSettings(isOn: world.fetchesFiles),
            destinations: world.destinations)
        next.budgets = world.money.budgets.sorted { $0.name < $1.name }
        let settings = Reloadable(
            try await mutant?.forgetsSettings == true
                ? next : next.stored(in: TaskStore(sqlite), at: world.clock.now()))
        let upstream = SimulatedUpstream(
            world: world, address: { settings.current.catalog.provider(ProviderWords.provider)?.baseURL },
            sharing: truth.map { ($0, holder.token) }
        ) { stopFlag.isDead }
        let store = TaskStore(
            driver, holder: holder,
            witness: mutant?.trustsCopies == true || sharing != nil
                ? nil : SimulatedWitness.Writer(witness: witness, world: world) { stopFlag.isDead },
            journal: sharing.map { sharing in
                SimulatedJournal.Writer(
                    journal: sharing.journal, world: world, forgetsAttempts: mutant?.writesNoJournal ?? false
                ) { stopFlag.isDead }
            },
            files: world.keepsParts
                ? SimulatedRecordFiles(world: world, fault: mutant?.downloads) { stopFlag.isDead } : nil,
            longestInRecord: ProviderWords.longestInRecord,
            tampering: mutant?.tampering
                ?? (mutant?.dropsRepliesWithoutLease == true ? truth?.droppingReplies(by: holder.token) : nil))
        // Before the engine, so that nothing is delivered that this does not see.
        if let seen = sharing?.seen { store.log.subscribe { seen.note($0.event.sequence) } }
        let engine = try await TaskEngine(
            store: store,
            settings: settings.view(\.self), version: settings.version,
            transport: mutant?.wrap(upstream) ?? upstream,
            accounts: { [accounts = world.accounts] _ in
                let names = accounts.configured
                return names.prefix(mutant?.usesOneAccount ?? false ? 1 : names.count).map { Account($0) }
            },
            callbacksAt: world.usesCallbacks ? CallbackDriver.publicURL : nil,
            downloads: world.fetchesFiles || world.keepsParts
                ? SimulatedDownloads(world: world, fault: mutant?.downloads) { stopFlag.isDead } : nil,
            sender: SimulatedSender(world: world) { stopFlag.isDead },
            time: world.clock,
            random: EngineRandom(SeededRandom(seed: world.seed &+ UInt64(number) &* 0x1_0000_0001)),
            logger: Logger(label: "simulation") { _ in SwiftLogNoOpLogHandler() })
        if mutant?.skipsRecovery != true { try await engine.recovery.run() }
        if mutant?.forgetsReading == true { engine.forgetReading() }
        self.settings = settings
        self.engine = engine
        self.world = world
        self.stopFlag = stopFlag
        clock = world.clock
        self.sqlite = sqlite
        forgetsSettings = mutant?.forgetsSettings ?? false
        catalog = world.catalog
        service = engine.service
        endpoints = engine.endpoints
        restores = engine.restores
        reconciliation = engine.reconciliation
        retention = engine.retention
        money = engine.money
        artefacts = engine.artefacts
        copyReason = try await engine.restores.report()?.mode.reason
        callbacks = engine.callbacks
        gateway = engine.gateway
        streams = engine.streams
        fateRecorder = engine.fateRecorder
        submitter = engine.submitter.worker
        loops =
            [
                Loop(engine.deadlines, "deadlines") { _ in "deadlines" },
                Loop(engine.reconciler, "reconciler") { "look up \($0.service)" },
                Loop(engine.scheduler, "scheduler") { "poll \($0.service)" },
                Loop(engine.submitter, "submitter") { "submit \($0.task.attempts) \($0.task.id)" },
            ] + (world.retention.isOff ? [] : [Loop(engine.sweeper, "sweeper") { _ in "sweep" }])
            + (engine.fetcher.map { [Loop($0, "fetcher") { "fetch \($0.url)" }] } ?? [])
            + (engine.remover.map { [Loop($0, "remover") { _ in "remove" }] } ?? [])
            + (world.notifies ? [Loop(engine.notifier, "notifier") { "notify \($0.sequence)" }] : [])
            + (engine.renewal.map { [Loop($0, "renewal") { _ in "renew" }] } ?? [])
            + (engine.follower.map { [Loop($0, "follower") { _ in "follow" }] } ?? [])
    }

    /// The token of the leases of a life.
    static func token(of number: Int, in world: World) -> LeaseToken {
        LeaseToken(UInt128(world.seed) << 64 | UInt128(number))
    }

    /// Replaces the definitions, as a reload does.
    func reload(_ catalog: ProviderCatalog) async throws {
        var next = settings.current
        next.catalog = catalog
        settings.replace(with: forgetsSettings ? next : try await next.stored(in: TaskStore(sqlite), at: clock.now()))
        engine.followReload()
    }

    /// Replaces the budgets, as a reload does.
    func reloadBudgets() async throws {
        var next = settings.current
        next.budgets = world.money.budgets.sorted { $0.name < $1.name }
        settings.replace(with: try await next.stored(in: TaskStore(sqlite), at: clock.now()))
        engine.followReload()
    }

    /// Lets that time pass.
    func wait(milliseconds: Int) async { await clock.sleep(until: clock.now() + .milliseconds(milliseconds)) }

    /// Records a reply from another daemon that only seemed dead.
    func take(_ late: LateReply) async {
        guard var task = try? await submitter.store.task(late.task), let attempt = late.attempt,
            attempt <= task.attempts,
            let profile = catalog.endpoint(task.endpoint)
        else { return }
        task.attempts = attempt
        await submitter.sender.take(
            profile.dialect.readSubmission(late.reply),
            of: Submitter.Work(task: task, endpoint: AccountEndpoint(profile, of: late.account)))
    }
}

extension TaskEngine {
    /// Sends all tasks that were queued at the start without the check.
    fileprivate func forgetReading() {
        let check = reconciler.worker.starts.check
        for service in check.services { check.end(check.due(of: service, at: Timestamp(milliseconds: .max))) }
    }
}
