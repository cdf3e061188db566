import Artefacts
import CallbackAPI
import Dashboard
import Hummingbird
import LocalAPI
import Logging
import NIOCore
import NIOPosix
import NotificationSending
import PollingPolicy
import PostgresDriver
import ProcessMemory
import ProviderCatalog
import SQLiteDriver
import ServiceLifecycle
import ServiceManager
import Synchronization
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

/// Builds the daemon from its settings and runs it.
package enum Daemon {
    /// Runs until SIGTERM or SIGINT, then gives open requests up to 20 seconds to finish.
    package static func run(
        flags: DaemonFlags, environment: [String: String], version: String
    ) async throws(DaemonError) {
        // One malloc arena per concurrent thread.
        pollux_return_large_blocks(CInt(max(2, NIOCore.System.coreCount)))
        // Every new file is private from its creation, even under a permissive umask.
        umask(0o077)
        // Ignoring the signal turns a file size limit into a reportable write error.
        signal(SIGXFSZ, SIG_IGN)
        // A closed log pipe then fails one write instead of ending the process.
        signal(SIGPIPE, SIG_IGN)
        // A parent may have ignored it, and then the system would take the ends of our programs.
        signal(SIGCHLD, SIG_DFL)
        let manager = ServiceManager(environment: environment)
        // Until the daemon handles this signal, a reload that comes too early would end the process.
        signal(SIGHUP, SIG_IGN)
        do throws(DaemonError) {
            try await run(flags: flags, environment: environment.withoutBlanks, version: version, manager: manager)
        } catch {
            manager.send(.status(error.message))
            throw error
        }
    }

    private static func run(
        flags: DaemonFlags, environment: [String: String], version: String, manager: ServiceManager
    ) async throws(DaemonError) {
        let configuration = Reloadable(
            try Configuration(flags: flags, environment: environment, at: SystemTimeSource().now()))
        let log = LogQueue(format: configuration.view(\.settings.logFormat))
        let logger = Logger(label: "pollux") { _ in
            LineLogHandler(level: configuration.view(\.settings.logLevel), to: log)
        }
        let outcome: Result<Void, DaemonError>
        do throws(DaemonError) {
            let listeners = try Listeners(configuration.current.settings, environment: environment, manager: manager)
            // Programs that the daemon starts must not answer for it.
            let environment = environment.filter { !ServiceManager.variables.contains($0.key) }
            try await start(
                configuration, flags, environment: environment, listeners: listeners, version: version, logger: logger)
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        // A blocked log must not prevent the process from ending.
        _ = await log.flush(within: .seconds(2))
        try outcome.get()
    }

    private static func start(
        _ configuration: Reloadable<Configuration>, _ flags: DaemonFlags, environment: [String: String],
        listeners: Listeners, version: String, logger: Logger
    ) async throws(DaemonError) {
        let settings = configuration.current.settings
        let hint =
            settings.isStateBelowUnsetHome
            ? "HOME is not set, so the home directory comes from the user database. Set HOME, or choose a state directory with --state-dir or POLLUX_STATE_DIR."
            : ""
        try PrivateDirectory.prepare(
            settings.stateDirectory, for: "state directory", hint: hint, isOurs: isOurs, logger: logger)
        // Locks before anything else. The HTTP server would remove a running daemon's socket.
        let lock = try InstanceLock(
            path: settings.stateDirectory + "/pollux.lock", withDirectory: true,
            of: "the state directory \(settings.stateDirectory)", socket: settings.socketPath)
        // The supervisor locks the socket later. Locking it here as well stops the start early if it is taken.
        if !listeners.isInherited(.socket) { _ = try prepareSocket(settings.socketPath, logger: logger) }
        defer { withExtendedLifetime(lock) {} }
        try await serve(
            configuration, flags, environment: environment, listeners: listeners, version: version, logger: logger)
    }

    /// Creates the socket's directory if it is missing, and locks the socket path.
    private static func prepareSocket(_ path: String, logger: Logger) throws(DaemonError) -> InstanceLock {
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        try PrivateDirectory.prepare(String(path[..<slash]), for: "socket", isOurs: { _ in false }, logger: logger)
        return try InstanceLock(path: path + ".lock", of: "the socket \(path)")
    }

    /// Whether these files show that the state directory was created for Pollux, so its mode may be tightened.
    private static func isOurs(_ names: [String]) -> Bool { names.isEmpty || names.contains("pollux.lock") }

    private static func serve(
        _ configuration: Reloadable<Configuration>, _ flags: DaemonFlags, environment: [String: String],
        listeners: Listeners, version: String, logger: Logger
    ) async throws(DaemonError) {
        let settings = configuration.current.settings
        logProxies(configuration.current.connections.proxies, logger: logger)
        for warning in settings.warnings { logger.warning("\(warning)") }
        let time = SystemTimeSource()
        let hooks = FaultInjection(environment: environment)
        let group = MultiThreadedEventLoopGroup.singleton
        listeners.manager.send(.status("Opens the database"))
        let opened = try await OpenedStore.open(settings, mayBegin: flags.newDatabase, logger: logger)
        let transport = transport(configuration, time: time, hooks: hooks, group: group)
        let files = ObjectFiles(
            directory: settings.artefactDirectory ?? settings.stateDirectory + "/artefacts",
            owner: settings.stateDirectory, newID: String(UInt64.random(in: .min ... .max), radix: 16),
            limits: configuration.view(\.settings.artefactLimits), passed: hooks.passed)
        let sender = sender(configuration, environment: environment, version: version, time: time, group: group)
        let outcome: Result<Void, DaemonError>
        do throws(DaemonError) {
            try await serve(
                configuration, flags, environment: environment, opened: opened, transport: transport, files: files,
                sender: sender, listeners: listeners, time: time, hooks: hooks, group: group, version: version,
                logger: logger)
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        // All requests have ended, so a failure here loses nothing.
        try? await transport.shutdown()
        try? await files.shutdown()
        try? await sender.shutdown()
        await opened.close(logger: logger)
        try outcome.get()
        logger.info("Stopped.")
    }

    private static func serve(
        _ configuration: Reloadable<Configuration>, _ flags: DaemonFlags, environment: [String: String],
        opened: OpenedStore, transport: UpstreamHTTP, files: ObjectFiles, sender: Sender, listeners: Listeners,
        time: SystemTimeSource, hooks: FaultInjection, group: any EventLoopGroup, version: String, logger: Logger
    ) async throws(DaemonError) {
        let settings = configuration.current.settings
        let renewal = TokenRenewal()
        let metrics = EngineMetrics()
        let (watched, watchdog) = watched(opened.driver, by: listeners.manager, time: time)
        let store = TaskStore(
            MeasuredDriver(watched, metrics: metrics, time: time),
            witness: opened.isShared ? nil : WitnessFile(in: settings.stateDirectory),
            journal: opened.isShared ? JournalFile(in: settings.stateDirectory) : nil,
            files: opened.keepsParts ? files : nil)
        let downloads = Downloader(
            files: files, connections: configuration.view(\.connections),
            access: configuration.view(\.providers.access),
            time: time, group: group)
        let engine: TaskEngine
        do throws(TaskStoreError) {
            engine = try await Self.engine(
                configuration, isHeld: flags.hold, store: store, transport: transport, downloads: downloads,
                sender: sender, metrics: metrics,
                renewal: renewal, time: time, hooks: hooks, logger: logger)
            try await engine.recovery.run()
            opened.onCommitOfOthers { engine.noteCommitOfOthers() }
            await engine.notifications.begin()
        } catch {
            throw .store(code: error.code, message: error.message)
        }
        let reloader = Reloader(
            configuration, flags: flags, environment: environment, engine: engine, store: store,
            transport: transport, manager: listeners.manager, time: time, logger: logger)
        renewal.begin(with: reloader)
        let facts = DaemonFacts(
            version: version, pid: Int(getpid()), startedAt: time.now(), socketPath: settings.socketPath,
            stateDirectory: settings.stateDirectory, callbackAddress: settings.callbacks.listen?.description,
            gatewayURL: settings.gateway.url)
        let examiner = Examiner(
            configuration: configuration, flags: flags, environment: environment, engine: engine,
            listeners: listeners, time: time, group: group)
        let shares = connections(settings.maxStreams, logger: logger)
        let opener = DashboardOpener(
            sessions: DashboardSessions(random: EngineRandom(SystemRandomNumberGenerator()), time: time))
        let services = LocalAPIServices(
            engine: engine, settings: reloader, facts: facts, dashboard: opener, examine: examiner.findings,
            time: time)
        let isInherited = listeners.isInherited(.socket)
        let socket = SocketSupervisor(
            path: settings.socketPath, isInherited: isInherited, time: time, logger: logger
        ) { () throws(DaemonError) in
            try prepareSocket(settings.socketPath, logger: logger)
        } server: { onRunning in
            LocalAPI.server(
                services, eventLoopGroup: group, logger: logger, connections: shares.connections,
                maxStreams: shares.streams, inherited: listeners.takeSocket(for: .socket)
            ) {
                if !isInherited { chmod(settings.socketPath, 0o600) }
                await onRunning()
                listeners.accepts(.socket)
                logger.info("Pollux \(version) listens on \(settings.socketPath)")
            }
        }
        if configuration.current.providers.tokens.isEmpty {
            logger.warning(
                """
                No token is set, so tasks wait in the queue. Nothing is lost. \
                Set XHUOAPI_TOKEN (or XHUOAPI_TOKEN_FILE) and start again, or name a file with xhuoapi.token_file and \
                run `pollux reload`.
                """)
        }
        let callbacks = try CallbackListener.service(
            settings.callbacks, receiver: engine.callbacks, listeners: listeners, time: time, group: group,
            logger: logger
        )
        let gateway = GatewayListeners(
            configuration: configuration, service: engine.gateway, artefacts: engine.artefacts, passing: transport,
            listeners: listeners, time: time, group: group, logger: logger)
        let dashboard = DashboardListener(
            opener: opener, services: services, configuration: configuration, listeners: listeners,
            maxStreams: shares.streams, group: group, logger: logger)
        let doors: [any Service] =
            try [
                callbacks,
                metricsListener(settings, engine, facts, listeners, time: time, group: group, logger: logger),
            ]
            .compactMap { $0 }
            + gateway.services { path throws(DaemonError) in try prepareSocket(path, logger: logger) }
            + [dashboard, socket]
        let reloads: [any Service] = [SignalReloads(reloader: reloader), TokenWatcher(reloader: reloader, time: time)]
        let notifier = ShutdownNotifier(
            service: engine.service, streams: engine.streams, manager: listeners.manager)
        let watch = StreamWatch(streams: engine.streams, time: time)
        try await run(engine.loops + reloads + [watch] + watchdog + doors + [notifier], logger: logger)
    }

    /// The driver whose writes feed the watchdog of the service manager, and the service that writes when nothing else does.
    private static func watched(
        _ driver: any StoreDriver, by manager: ServiceManager, time: SystemTimeSource
    ) -> (any StoreDriver, [any Service]) {
        guard let interval = manager.watchdogInterval else { return (driver, []) }
        let watchdog = WriterWatchdog(interval: interval, time: time) { manager.send(.alive) }
        let watched = WatchedDriver(base: driver, watchdog: watchdog)
        return (watched, [WatchdogTimer(interval: interval, driver: watched, time: time)])
    }

    /// The server that shows the metrics at a network address; nil if the settings name none.
    private static func metricsListener(
        _ settings: DaemonSettings, _ engine: TaskEngine, _ facts: DaemonFacts, _ listeners: Listeners,
        time: SystemTimeSource, group: any EventLoopGroup, logger: Logger
    ) -> (any Service)? {
        guard let address = settings.metricsListen else { return nil }
        let server = LocalAPI.metricsServer(
            metrics: engine.metrics, facts: facts, host: address.host, port: address.port, time: time,
            eventLoopGroup: group, logger: logger, inherited: listeners.takeSocket(for: .metrics)
        ) { port in
            listeners.accepts(.metrics)
            logger.info("Metrics are shown at http://\(address.host(with: port))/metrics")
        }
        return NetworkListener(setting: "metrics.listen", address: address, server: server)
    }

    /// The maximum numbers of connections and of event streams.
    private static func connections(_ wantedStreams: Int, logger: Logger) -> ConnectionShares {
        let possible = FileDescriptorLimit.connections(wanted: LocalAPI.maxConnections + wantedStreams)
        let shares = ConnectionShares(of: possible, connections: LocalAPI.maxConnections, streams: wantedStreams)
        for (number, wanted, words) in [
            (shares.connections, LocalAPI.maxConnections, "programs can be connected"),
            (shares.streams, wantedStreams, "streams of events can be open"),
        ] where number < wanted {
            logger.warning("Only \(number) \(words) at once: the limit of open files is low (ulimit -n).")
        }
        return shares
    }

    private static func run(_ services: [any Service], logger: Logger) async throws(DaemonError) {
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .error)
        // Without names, the group prints each service by reflection, the whole engine included, which dominates
        // start-up time.
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
            logger.warning("Some requests did not finish in 20 s. Their tasks continue at the next start.")
        } catch let error as IOError {
            throw .unusablePath("The socket cannot be opened: \(String(cString: strerror(error.errnoCode))).")
        } catch is UnixDomainSocketPathWrongType {
            throw .unusablePath(
                "The file at the socket's path is not a socket. Move it away, or choose another path with --socket.")
        } catch {
            // No known error reaches this line.
            logger.debug("\(String(reflecting: error))")
            throw .broken(
                "The daemon stopped because of an unexpected error: \(type(of: error)). Please report it; --log-level debug shows more."
            )
        }
    }

    /// Logs the proxies: a wrong proxy otherwise looks like a provider failure.
    private static func logProxies(_ proxies: ProxySettings, logger: Logger) {
        for (scheme, proxy) in [("http", proxies.http), ("https", proxies.https)] {
            guard let proxy else { continue }
            logger.info("Requests to \(scheme):// providers go through the proxy \(proxy.description).")
        }
    }

    private static func transport(
        _ configuration: Reloadable<Configuration>, time: SystemTimeSource, hooks: FaultInjection,
        group: any EventLoopGroup
    ) -> UpstreamHTTP {
        UpstreamHTTP(
            accounts: configuration.view(\.providers.access), eventLoopGroup: group,
            connections: configuration.current.connections,
            maxReplyBytes: configuration.view(\.settings.maxReplyBytes),
            memory: ReplyMemory(directory: configuration.current.settings.stateDirectory), now: { time.now() }
        ) { isPaid in
            if isPaid { hooks.passed(.afterLastByte) }
        }
    }

    private static func sender(
        _ configuration: Reloadable<Configuration>, environment: [String: String], version: String,
        time: SystemTimeSource, group: any EventLoopGroup
    ) -> Sender {
        let programs = ProgramRunner(
            environment: configuration.view { configuration in
                let secrets = configuration.providers.secretVariables
                return environment.filter { !secrets.contains($0.key) }
            }, elapsed: { time.elapsed() })
        return Sender(
            agent: "pollux/\(version)", eventLoopGroup: group, trust: configuration.view(\.connections.trust),
            programs: programs, now: { time.now() }, body: NotificationBody.json)
    }

    private static func engine(
        _ configuration: Reloadable<Configuration>, isHeld: Bool, store: TaskStore, transport: UpstreamHTTP,
        downloads: Downloader, sender: Sender, metrics: EngineMetrics, renewal: TokenRenewal, time: SystemTimeSource,
        hooks: FaultInjection,
        logger: Logger
    ) async throws(TaskStoreError) -> TaskEngine {
        let redacting = RedactingTransport(
            transport, redactor: configuration.view(\.providers.redactor),
            tokens: configuration.view(\.providers.shownTokens))
        configuration.replace(with: try await configuration.current.stored(in: store, at: time.now()))
        return try await TaskEngine(
            store: store, settings: configuration.view(\.engine), version: configuration.version,
            transport: RenewingTransport(redacting, tokens: configuration.view(\.providers.tokens)) { _ in
                await renewal.renew()
            },
            accounts: { [accounts = configuration.view(\.providers.accounts)] provider in
                Providers.accounts(of: provider, in: accounts.wrappedValue)
            },
            callbacksAt: configuration.current.settings.callbacks.publicURL, downloads: downloads, sender: sender,
            isHeld: isHeld, metrics: metrics,
            time: time,
            random: EngineRandom(SystemRandomNumberGenerator()), logger: logger, passed: hooks.passed)
    }
}

/// Reloads the tokens. The engine needs this before the reloader exists, because the reloader needs the engine.
private final class TokenRenewal: Sendable {
    private let reloader = Mutex<Reloader?>(nil)

    func begin(with reloader: Reloader) { self.reloader.withLock { $0 = reloader } }

    func renew() async { await reloader.withLock { $0 }?.rereadTokens() }
}
