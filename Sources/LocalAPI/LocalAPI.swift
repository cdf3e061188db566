package import BoundedMemory
package import HTTPServing
import HTTPTypes
package import Hummingbird
import HummingbirdCore
package import Logging
package import NIOCore
package import ServiceLifecycle
package import TaskEngine
package import TaskModel

/// The constants of the running daemon.
package struct DaemonFacts: Sendable {
    package let version: String
    package let pid: Int
    package let startedAt: Timestamp
    package let socketPath: String
    package let stateDirectory: String
    /// The address of the callback listener; nil if callbacks are off.
    package let callbackAddress: String?
    /// The address of the gateway as a URL; nil if it is off.
    package let gatewayURL: String?

    package init(
        version: String, pid: Int, startedAt: Timestamp, socketPath: String, stateDirectory: String,
        callbackAddress: String? = nil, gatewayURL: String? = nil
    ) {
        self.version = version
        self.pid = pid
        self.startedAt = startedAt
        self.socketPath = socketPath
        self.stateDirectory = stateDirectory
        self.callbackAddress = callbackAddress
        self.gatewayURL = gatewayURL
    }
}

/// What the routes use.
package struct LocalAPIServices: Sendable {
    package let engine: TaskEngine
    package let settings: any SettingsReloading
    package let facts: DaemonFacts
    package let dashboard: any DashboardOpening
    /// Checks the daemon and its surroundings.
    package let examine: @Sendable () async -> [Finding]
    package let time: any TimeSource
    /// The memory for the bodies of all requests.
    package let bodies: ByteBudget

    package init(
        engine: TaskEngine, settings: any SettingsReloading, facts: DaemonFacts, dashboard: any DashboardOpening,
        examine: @escaping @Sendable () async -> [Finding], time: any TimeSource,
        bodies: ByteBudget = ByteBudget(capacity: LocalAPI.maxBodyBytesAtOnce)
    ) {
        self.engine = engine
        self.settings = settings
        self.facts = facts
        self.dashboard = dashboard
        self.examine = examine
        self.time = time
        self.bodies = bodies
    }
}

/// Builds the HTTP server on the Unix socket.
package enum LocalAPI {
    /// The largest body of a request.
    package static let maxBodyBytes = 8 << 20
    /// The memory for the bodies of all requests. Beyond it, a request gets 503.
    package static let maxBodyBytesAtOnce = 64 << 20
    /// The maximum number of connections, if the system allows that many. More wait in the kernel's queue. Streams do
    /// not count.
    package static let maxConnections = 512
    /// The default of the maximum number of event streams.
    package static let maxStreams = 2_048

    /// Creates the server on the Unix socket, as a service.
    ///
    /// The caller must hold the lock of the socket, because the server removes any file at its path. `inherited` is the
    /// socket if it is open already. `onRunning` is called once the socket accepts connections.
    package static func server(
        _ services: LocalAPIServices, eventLoopGroup: any EventLoopGroup, logger: Logger,
        connections: Int = maxConnections, maxStreams: Int = LocalAPI.maxStreams,
        inherited: CInt? = nil,
        onRunning: @escaping @Sendable () async -> Void
    ) -> some Service {
        let connections = SocketConnections(limit: connections)
        var quiet = logger
        // The library's info lines do not help a user.
        quiet.logLevel = max(logger.logLevel, .warning)
        let facts = services.facts
        let time = services.time
        let application = Application(
            router: router(services, connections: connections, maxStreams: maxStreams),
            configuration: ApplicationConfiguration(
                address: .unixDomainSocket(path: facts.socketPath), serverName: "pollux/\(facts.version)",
                availableConnectionsDelegate: connections.delegate),
            onServerRunning: { channel in
                connections.begin(channel)
                await onRunning()
            }, eventLoopGroupProvider: .shared(eventLoopGroup), logger: quiet)
        return HTTPService(application, channels: socket, inherited: inherited) { Int(time.now().milliseconds / 1_000) }
    }

    /// The HTTP/1.1 channel of each connection.
    package static let http = ChannelBuilder { responder in
        HTTP1OnEventLoop(
            base: ContinuingHTTP1Channel(responder: responder, configuration: .init(idleTimeout: .seconds(75))))
    }

    /// The same on the socket, whose programs keep the files that they read. A browser only shows them.
    private static let socket = ChannelBuilder { responder in
        HTTP1OnEventLoop(
            base: ContinuingHTTP1Channel(
                responder: responder,
                configuration: .init(additionalChannelHandlers: [DeliveryHandler()], idleTimeout: .seconds(75))))
    }

    /// Creates the router with all routes, for a listener with these connections. Tests use it without a listener.
    package static func router(
        _ services: LocalAPIServices, connections: SocketConnections = SocketConnections(limit: maxConnections),
        maxStreams: Int = LocalAPI.maxStreams
    ) -> Router<APIContext> {
        let (engine, facts) = (services.engine, services.facts)
        let (service, endpoints) = (engine.service, engine.endpoints)
        let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: ProblemMiddleware())
        router.add(middleware: BodyBudgetMiddleware(budget: services.bodies))
        let bulk = BulkSubmission(service: service, bodies: services.bodies, directory: facts.stateDirectory)
        TaskRoutes(service: service, bulk: bulk).add(to: router)
        TaskActionRoutes(service: service).add(to: router)
        EndpointRoutes(endpoints: endpoints).add(to: router)
        RestoreRoutes(restores: engine.restores).add(to: router)
        ReconcileRoutes(reconciliation: engine.reconciliation).add(to: router)
        ArtefactRoutes(service: service, artefacts: engine.artefacts).add(to: router)
        RetentionRoutes(service: service, retention: engine.retention).add(to: router)
        NotificationRoutes(service: service, notifications: engine.notifications).add(to: router)
        MoneyRoutes(money: engine.money).add(to: router)
        StreamRoutes(service: service, streams: engine.streams, limit: maxStreams, connections: connections)
            .add(to: router)
        GatewayRoutes(gateway: engine.gateway, address: facts.gatewayURL).add(to: router)
        DashboardRoutes(dashboard: services.dashboard).add(to: router)
        MetricsRoutes(metrics: engine.metrics, facts: facts).add(to: router)
        DoctorRoutes(examine: services.examine).add(to: router)
        DaemonRoutes(
            endpoints: endpoints, artefacts: engine.artefacts, notifications: engine.notifications,
            settings: services.settings, facts: facts, time: services.time
        ).add(to: router)
        return router
    }
}
