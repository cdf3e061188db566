package import BoundedMemory
import HTTPServing
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
    /// The caller must hold the lock of the socket, because the server removes any file at its path. `onRunning` is called
    /// once the socket accepts connections.
    package static func server(
        service: TaskService, endpoints: EndpointService, restores: RestoreService, reconciliation: ReconcileService,
        retention: RetentionService, notifications: NotificationService, money: MoneyService,
        streams: EventStreams, artefacts: ArtefactService? = nil, gateway: GatewayService, metrics: MetricsService,
        settings: any SettingsReloading, facts: DaemonFacts, examine: @escaping @Sendable () async -> [Finding],
        time: any TimeSource, eventLoopGroup: any EventLoopGroup,
        logger: Logger, connections: Int = maxConnections, maxStreams: Int = LocalAPI.maxStreams,
        onRunning: @escaping @Sendable () async -> Void
    ) -> some Service {
        let connections = SocketConnections(limit: connections)
        var quiet = logger
        // The library's info lines do not help a user.
        quiet.logLevel = max(logger.logLevel, .warning)
        let application = Application(
            router: router(
                service: service, endpoints: endpoints, restores: restores, reconciliation: reconciliation,
                retention: retention, notifications: notifications, money: money,
                streams: StreamRoutes(
                    service: service, streams: streams, limit: maxStreams, connections: connections),
                artefacts: artefacts, gateway: gateway, metrics: metrics, settings: settings, facts: facts,
                examine: examine, time: time),
            server: http,
            configuration: ApplicationConfiguration(
                address: .unixDomainSocket(path: facts.socketPath), serverName: "pollux/\(facts.version)",
                availableConnectionsDelegate: connections.delegate),
            onServerRunning: { channel in
                connections.begin(channel)
                await onRunning()
            }, eventLoopGroupProvider: .shared(eventLoopGroup), logger: quiet)
        return HTTPService(application) { Int(time.now().milliseconds / 1_000) }
    }

    /// The HTTP/1.1 channel of each connection.
    static let http = HTTPServerBuilder { responder in
        HTTP1OnEventLoop(
            base: ContinuingHTTP1Channel(responder: responder, configuration: .init(idleTimeout: .seconds(75))))
    }

    /// Creates the router with all routes. Tests use it without a socket.
    package static func router(
        service: TaskService, endpoints: EndpointService, restores: RestoreService, reconciliation: ReconcileService,
        retention: RetentionService, notifications: NotificationService, money: MoneyService,
        streams: StreamRoutes, artefacts: ArtefactService? = nil, gateway: GatewayService, metrics: MetricsService,
        settings: any SettingsReloading, facts: DaemonFacts, examine: @escaping @Sendable () async -> [Finding],
        time: any TimeSource,
        bodies: ByteBudget = ByteBudget(capacity: maxBodyBytesAtOnce)
    ) -> Router<APIContext> {
        let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: ProblemMiddleware())
        router.add(middleware: BodyBudgetMiddleware(budget: bodies))
        let bulk = BulkSubmission(service: service, bodies: bodies, directory: facts.stateDirectory)
        TaskRoutes(service: service, bulk: bulk).add(to: router)
        TaskActionRoutes(service: service).add(to: router)
        EndpointRoutes(endpoints: endpoints).add(to: router)
        RestoreRoutes(restores: restores).add(to: router)
        ReconcileRoutes(reconciliation: reconciliation).add(to: router)
        ArtefactRoutes(service: service, artefacts: artefacts).add(to: router)
        RetentionRoutes(service: service, retention: retention).add(to: router)
        NotificationRoutes(service: service, notifications: notifications).add(to: router)
        MoneyRoutes(money: money).add(to: router)
        streams.add(to: router)
        GatewayRoutes(gateway: gateway, address: facts.gatewayURL).add(to: router)
        MetricsRoutes(metrics: metrics, facts: facts).add(to: router)
        DoctorRoutes(examine: examine).add(to: router)
        DaemonRoutes(
            endpoints: endpoints, artefacts: artefacts, notifications: notifications, settings: settings, facts: facts,
            time: time
        ).add(to: router)
        return router
    }
}
