import Logging
package import PollingPolicy
package import ProviderCatalog
import Randomness
package import SQLiteDriver
package import TaskEngine
package import TaskModel
package import TaskStore
package import VerbatimJSON

/// An engine on a new database. The test controls the time, the randomness and the provider.
package struct EngineWorld: Sendable {
    package let time: ManualTimeSource
    package let provider: ScriptedTransport
    /// The driver of the engine's store. It forwards to ``database`` until a test injects a fault.
    package let store: FaultyDriver
    package let database: SQLiteDriver
    /// The same database without faults. The engine is not notified of changes made through it.
    package let sqlite: TaskStore
    package let engine: TaskEngine
    package let catalog: ProviderCatalog
    /// The settings of ``engine``.
    package let settings: Reloadable<EngineSettings>
    private let directory: TemporaryDirectory

    package var service: TaskService { engine.service }

    /// Creates the engine. `from` is an earlier world whose database it opens. If the store is shared, that one goes on.
    package init(
        limits: EngineLimits = EngineLimits(), polling: PollingPolicy = PollingPolicy(), seed: UInt64 = 1,
        time: ManualTimeSource = ManualTimeSource(), hasToken: Bool = true, accounts: [Account]? = nil,
        from earlier: EngineWorld? = nil,
        definition: String = EngineWorld.definition, callbacksAt publicURL: String? = nil,
        callbackSecrets: [ProviderName: String] = [:], redactor: SecretRedactor = SecretRedactor(),
        witness: (any Witness)? = nil, isHeld: Bool = false, retention: RetentionPolicy = RetentionPolicy(),
        tokenDigests: [ProviderAccount: String] = [:],
        artefacts: ArtefactSettings = ArtefactSettings(), downloads: (any ArtefactDownloads)? = nil,
        destinations: [Destination] = [], sender: (any NotificationSender)? = nil, files: (any RecordFiles)? = nil,
        budgets: [Budget] = [], isShared: Bool = false
    ) async throws {
        self.time = time
        directory = try earlier?.directory ?? TemporaryDirectory()
        provider = ScriptedTransport()
        database = try SQLiteDriver.open(path: directory.file("pollux.sqlite"))
        store = FaultyDriver(isShared ? ClockedDriver(database) { time.now() } : database)
        // Another world on the same database acts as another process.
        let holder = LeaseHolder(name: "world", token: LeaseToken(UInt128.random(in: .min ... .max)))
        sqlite = TaskStore(database, holder: holder, files: files)
        // Every start with the instance lock does this.
        if earlier != nil, !isShared { try await sqlite.endOtherLeases(at: time.now()) }
        catalog = try ProviderCatalog(definitions: [("testing.yaml", definition)])
        var next = EngineSettings(
            catalog: catalog, limits: limits, polling: polling, callbackSecrets: callbackSecrets,
            redactor: redactor, retention: retention, artefacts: artefacts, tokenDigests: tokenDigests,
            destinations: destinations)
        next.budgets = budgets
        settings = Reloadable(try await next.stored(in: sqlite, at: time.now()))
        engine = try await TaskEngine(
            store: TaskStore(store, holder: holder, witness: witness, files: files), settings: settings.view(\.self),
            version: settings.version, transport: provider,
            accounts: { _ in accounts ?? [Account(hasToken: hasToken)] },
            callbacksAt: publicURL, downloads: downloads, sender: sender, isHeld: isHeld, time: time,
            random: EngineRandom(SeededRandom(seed: seed)),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Replaces the settings, as a reload does.
    package func reload(_ change: (inout EngineSettings) throws -> Void) rethrows {
        var next = settings.current
        try change(&next)
        settings.replace(with: next.following(settings.current.limits.history, at: time.now()))
        engine.followReload()
    }

    /// Stores a task as it is.
    @discardableResult
    package func insert(_ task: TrackedTask, request: JSONValue = ["prompt": "a cat"]) async throws -> TaskID {
        _ = try await sqlite.insert(.new(task, request: request))
        return task.id
    }

    /// Submits a task through the service.
    @discardableResult
    package func submit(
        _ endpoint: String = "image/make", _ request: JSONObject = JSONObject([("prompt", "a cat")]), priority: Int = 0,
        onUncertain: UncertainPolicy? = nil, deadline: Timestamp? = nil
    ) async throws -> TaskID {
        try await service.submit(
            Submission(
                endpoint: endpoint, request: request, priority: priority, deadline: deadline.map { .at($0) },
                onUncertain: onUncertain)
        ).task.task.id
    }

    /// Runs the body, and lets a second pass whenever a task sleeps.
    package func passingTime<Value: Sendable>(_ body: @Sendable () async throws -> Value) async rethrows -> Value {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [time] in
                while !Task.isCancelled {
                    await time.untilSleeping()
                    if !Task.isCancelled { time.advance(by: .seconds(1)) }
                }
            }
            defer { group.cancelAll() }
            return try await body()
        }
    }

    /// The stored task.
    package func task(_ id: TaskID) async throws -> TrackedTask {
        guard let task = try await sqlite.task(id) else { throw Missing(id: id) }
        return task
    }

    /// The kinds of a task's events, oldest first.
    package func kinds(of id: TaskID) async throws -> [String] {
        try await sqlite.events(of: id, after: 0, limit: 1_000).map(\.entry.kind)
    }

    /// An expected task is missing.
    package struct Missing: Error {
        package let id: TaskID
    }

    /// A provider with one service of each kind that the engine distinguishes.
    package static let definition = """
        provider: testing
        default: true
        base_url: http://127.0.0.1:1/v1
        max_requests_per_second: 10000
        codes:
          refused_stops_account: [used_up, disabled, invalid_token, token_expired]
          throttled: [rate_limited, busy]
          unknown_task: [no_task]
          outcome_unknown: [timeout]
          server_fault: [api_error]
        services:
          image:
            batch_size: 50
            listing: documented
            endpoints:
              make: {typical_seconds: 40, upper_seconds: 90}
              edit: {typical_seconds: 40, upper_seconds: 90}
              other: {typical_seconds: 40, upper_seconds: 90}
          capped:
            batch_size: 50
            listing: documented
            max_in_flight: 2
            endpoints:
              a: {}
              b: {}
          paced:
            batch_size: 50
            listing: documented
            submits_per_second: 0.5
            endpoints:
              make: {}
          single:
            listing: none
            endpoints:
              make: {}
        """
}
