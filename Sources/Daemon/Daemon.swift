import AllocatorSettings
import CallbackAPI
import Hummingbird
import LocalAPI
import Logging
import NIOCore
import NIOPosix
import PollingPolicy
import ProviderCatalog
import SQLiteTaskStore
import ServiceLifecycle
import TaskEngine
import TaskModel
import TaskStore
import UnixSignals
import UpstreamHTTP

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The daemon: everything wired together, from the settings to the socket.
package enum Daemon {
    /// Runs until SIGTERM or SIGINT, then lets requests in flight finish for at most 20 seconds.
    package static func run(
        flags: DaemonFlags, environment: [String: String], version: String
    ) async throws(DaemonError) {
        // As many arenas as threads that run at once.
        pollux_return_large_blocks(CInt(max(2, NIOCore.System.coreCount)))
        // Files are ours alone from their first moment on, whatever the shell's umask.
        umask(0o077)
        // A file size limit is then an error that we can tell, instead of a signal that kills.
        signal(SIGXFSZ, SIG_IGN)
        // A reader of the log that goes away is an error of one write, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        let environment = environment.withoutBlanks
        let settings = try SettingsLoader.load(flags: flags, environment: environment)
        let log = LogQueue()
        let logger = Logger(label: "pollux") { _ in PlainLogHandler(level: settings.logLevel, to: log) }
        let outcome: Result<Void, DaemonError>
        do throws(DaemonError) {
            try await start(
                settings, mayBegin: flags.newDatabase, environment: environment, version: version, logger: logger)
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        // A log that is not read must not keep the process from ending.
        _ = await log.flush(within: .seconds(2))
        try outcome.get()
    }

    private static func start(
        _ settings: DaemonSettings, mayBegin: Bool, environment: [String: String], version: String, logger: Logger
    ) async throws(DaemonError) {
        let hint =
            settings.isStateBelowUnsetHome
            ? "HOME is not set, so the home directory of the user database was taken. Set HOME, or name a state directory with --state-dir or POLLUX_STATE_DIR."
            : ""
        try PrivateDirectory.prepare(
            settings.stateDirectory, for: "state directory", hint: hint, isOurs: isOurs, logger: logger)
        // Before anything else is touched: the server would remove a living daemon's socket.
        let lock = try InstanceLock(
            path: settings.stateDirectory + "/pollux.lock", withDirectory: true,
            of: "the state directory \(settings.stateDirectory)", socket: settings.socketPath)
        // Whoever serves the socket keeps its lock; taken here for a moment, so that a place that is taken stops the start.
        _ = try prepareSocket(settings.socketPath, logger: logger)
        defer { withExtendedLifetime(lock) {} }
        try await serve(
            settings, mayBegin: mayBegin, environment: environment, version: version, logger: logger)
    }

    /// `mayBegin` lets an empty database take the place of one that is gone.
    private static func openStore(
        in directory: String, mayBegin: Bool, logger: Logger
    ) throws(DaemonError) -> SQLiteTaskStore {
        let path = directory + "/pollux.sqlite"
        if mayBegin, access(path, F_OK) == 0 {
            logger.warning(
                "There is a database, so --new-database changes nothing. Leave it out, or a database that gets lost goes unnoticed."
            )
        }
        do throws(TaskStoreError) {
            return try SQLiteTaskStore.open(path: path, mayBegin: mayBegin)
        } catch {
            throw .store(code: error.code, message: error.message)
        }
    }

    /// Makes the socket's directory where there is none, and locks the place.
    private static func prepareSocket(_ path: String, logger: Logger) throws(DaemonError) -> InstanceLock {
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        try PrivateDirectory.prepare(String(path[..<slash]), for: "socket", isOurs: { _ in false }, logger: logger)
        return try InstanceLock(path: path + ".lock", of: "the socket \(path)")
    }

    /// Whether a state directory with these files in it was made for us, so that it may be closed to others.
    private static func isOurs(_ names: [String]) -> Bool { names.isEmpty || names.contains("pollux.lock") }

    private static func serve(
        _ settings: DaemonSettings, mayBegin: Bool, environment: [String: String], version: String, logger: Logger
    ) async throws(DaemonError) {
        var settings = settings
        let proxies = try proxies(environment, logger: logger)
        let providers = try Providers(&settings, environment: environment, secrets: proxies.secrets)
        for warning in settings.warnings { logger.warning("\(warning)") }
        let time = SystemTimeSource()
        let hooks = TestHooks(environment: environment)
        let group = MultiThreadedEventLoopGroup.singleton
        let store = try openStore(in: settings.stateDirectory, mayBegin: mayBegin, logger: logger)
        let transport = transport(settings, providers, proxies, time: time, hooks: hooks, group: group)
        let outcome: Result<Void, DaemonError>
        do throws(DaemonError) {
            try await serve(
                settings, store: store, providers: providers, transport: transport, time: time, hooks: hooks,
                group: group, version: version, logger: logger)
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        // Nothing is in flight any more, so there is nothing that a failure here could lose.
        try? await transport.shutdown()
        do throws(TaskStoreError) { try store.close() } catch {
            logger.error("The database was not closed as it should be: \(error.message)")
        }
        try outcome.get()
        logger.info("Stopped.")
    }

    private static func serve(
        _ settings: DaemonSettings, store: SQLiteTaskStore, providers: Providers, transport: UpstreamHTTP,
        time: SystemTimeSource, hooks: TestHooks, group: any EventLoopGroup, version: String, logger: Logger
    ) async throws(DaemonError) {
        let engine: TaskEngine
        do throws(TaskStoreError) {
            let context = try await context(
                settings, store: store, providers: providers, transport: transport, time: time, hooks: hooks,
                logger: logger)
            try await Recovery.run(context)
            engine = TaskEngine(context)
        } catch {
            throw .store(code: error.code, message: error.message)
        }
        let facts = DaemonFacts(
            version: version, pid: Int(getpid()), startedAt: time.now(), socketPath: settings.socketPath,
            stateDirectory: settings.stateDirectory,
            baseURLs: Dictionary(uniqueKeysWithValues: providers.catalog.providers.map { ($0.name, $0.baseURL) }),
            callbackAddress: settings.callbacks.listen?.description)
        let connections = OpenFiles.connections(wanted: LocalAPI.maxConnections)
        if connections < LocalAPI.maxConnections {
            logger.warning(
                "Only \(connections) programs can be connected at once: the limit of open files is low (ulimit -n).")
        }
        let socket = SocketKeeper(path: settings.socketPath, time: time, logger: logger) { () throws(DaemonError) in
            try prepareSocket(settings.socketPath, logger: logger)
        } server: { onRunning in
            LocalAPI.server(
                service: engine.service, facts: facts, time: time, eventLoopGroup: group, logger: logger,
                connections: connections
            ) {
                chmod(settings.socketPath, 0o600)
                await onRunning()
                logger.info("Pollux \(version) listens on \(settings.socketPath)")
            }
        }
        if providers.tokens.isEmpty {
            logger.warning(
                """
                There is no token, so tasks wait in the queue; nothing is lost. \
                Set XHUOAPI_TOKEN (or XHUOAPI_TOKEN_FILE) and start again.
                """)
        }
        let listener = try CallbackListener(
            settings.callbacks, service: engine.service, time: time, group: group, logger: logger)
        let doors: [any Service] = [listener].compactMap { $0 } + [socket]
        try await run(engine.loops + doors + [ShutdownBell(service: engine.service)], logger: logger)
    }

    private static func run(_ services: [any Service], logger: Logger) async throws(DaemonError) {
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .error)
        // Named, or the group would write out each service by reflection, with the engine and all it knows of every provider:
        // four fifths of a start (measured with perf).
        let named = services.map { service in
            ServiceGroupConfiguration.ServiceConfiguration(service: service, serviceName: "\(type(of: service))")
        }
        var configuration = ServiceGroupConfiguration(
            services: named, gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
        configuration.maximumGracefulShutdownDuration = .seconds(20)
        do {
            try await ServiceGroup(configuration: configuration).run()
        } catch let error as TaskStoreError {
            throw .store(code: error.code, message: error.message)
        } catch let error as DaemonError {
            throw error
        } catch is CancellationError {
            logger.warning("Some requests did not finish in 20 s. Their tasks go on at the next start.")
        } catch let error as IOError {
            throw .noPlace("The socket cannot be opened: \(String(cString: strerror(error.errnoCode))).")
        } catch is UnixDomainSocketPathWrongType {
            throw .noPlace(
                "What stands at the socket's place is no socket. Move it away, or name another place with --socket.")
        } catch {
            // None is known that could get here.
            logger.debug("\(String(reflecting: error))")
            throw .broken(
                "The daemon stopped because something failed that should not: \(type(of: error)). Please report it; --log-level debug says more."
            )
        }
    }

    /// The proxies that the environment names, told once, since a request that goes astray looks like the provider's fault.
    private static func proxies(
        _ environment: [String: String], logger: Logger
    ) throws(DaemonError) -> ProxySettings {
        do throws(ProxySettings.InvalidProxy) {
            let proxies = try ProxySettings(environment: environment)
            for (scheme, proxy) in [("http", proxies.http), ("https", proxies.https)] {
                guard let proxy else { continue }
                logger.info("Requests to \(scheme):// providers go through the proxy \(proxy.description).")
            }
            return proxies
        } catch {
            throw .badSetting(error.message)
        }
    }

    private static func transport(
        _ settings: DaemonSettings, _ providers: Providers, _ proxies: ProxySettings, time: SystemTimeSource,
        hooks: TestHooks, group: any EventLoopGroup
    ) -> UpstreamHTTP {
        UpstreamHTTP(
            providers: providers.access, eventLoopGroup: group, proxies: proxies, maxReplyBytes: settings.maxReplyBytes,
            connectTimeout: providers.connectTimeout(besides: settings.submissionTimeout),
            memory: ReplyMemory(directory: settings.stateDirectory), now: { time.now() }
        ) { isPaid in
            if isPaid { hooks.passed(.afterLastByte) }
        }
    }

    private static func context(
        _ settings: DaemonSettings, store: SQLiteTaskStore, providers: Providers, transport: UpstreamHTTP,
        time: SystemTimeSource, hooks: TestHooks, logger: Logger
    ) async throws(TaskStoreError) -> EngineContext {
        var limits = EngineLimits()
        limits.submissionTimeout = settings.submissionTimeout
        limits.maxInFlight = settings.maxInFlight
        limits.submissionsPerSecond = settings.submissionsPerSecond
        limits.pollsPerSecond = settings.pollsPerSecond
        limits.absentSpan = hooks.absentSpan ?? limits.absentSpan
        limits.steadySpan = hooks.steadySpan ?? limits.steadySpan
        return try await EngineContext(
            store: store, catalog: providers.catalog,
            transport: RedactingTransport(transport, redactor: providers.redactor, tokens: providers.shownTokens),
            limits: limits,
            polling: PollingPolicy(minGap: settings.minGap, maxGap: settings.maxGap),
            defaultOnUncertain: settings.onUncertain, hasToken: { providers.lets(in: $0) },
            callbacksAt: settings.callbacks.publicURL, callbackSecrets: providers.callbackSecrets,
            redactor: providers.redactor, time: time,
            random: EngineRandom(SystemRandomNumberGenerator()), logger: logger, passed: hooks.passed)
    }
}

/// Tells the engine when shutdown begins: nothing more is paid for, and clients' long waits end, so that the socket can
/// close. Last of the services, since a group shuts them down one after another from the end.
private struct ShutdownBell: Service {
    let service: TaskService

    func run() async throws {
        try await gracefulShutdown()
        service.beginShutdown()
    }
}
