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

/// What the daemon knows of itself.
package struct DaemonFacts: Sendable {
    package let version: String
    package let pid: Int
    package let startedAt: Timestamp
    package let socketPath: String
    package let stateDirectory: String
    /// Base URLs of the providers, by name.
    package let baseURLs: [String: String]
    /// Where callbacks are taken; nil where they are off.
    package let callbackAddress: String?

    package init(
        version: String, pid: Int, startedAt: Timestamp, socketPath: String, stateDirectory: String,
        baseURLs: [String: String], callbackAddress: String? = nil
    ) {
        self.version = version
        self.pid = pid
        self.startedAt = startedAt
        self.socketPath = socketPath
        self.stateDirectory = stateDirectory
        self.baseURLs = baseURLs
        self.callbackAddress = callbackAddress
    }
}

/// The socket through which programs and people reach the engine.
package enum LocalAPI {
    /// The largest body that is taken.
    package static let maxBodyBytes = 8 << 20
    /// The bodies of all requests together; beyond that a request is asked to come again.
    package static let maxBodyBytesAtOnce = 64 << 20
    /// Connections at once, where the system grants that many; more wait in the kernel's queue.
    package static let maxConnections = 512

    /// The server on a Unix socket, as a service to be run.
    ///
    /// The caller holds the lock of the socket: the server removes whatever file is in its place. `onRunning` is called
    /// once the socket takes connections.
    package static func server(
        service: TaskService, facts: DaemonFacts, time: any TimeSource, eventLoopGroup: any EventLoopGroup,
        logger: Logger, connections: Int = maxConnections, onRunning: @escaping @Sendable () async -> Void
    ) -> some Service {
        var quiet = logger
        // Its own info lines tell of addresses and shutdown steps that mean nothing to a person.
        quiet.logLevel = max(logger.logLevel, .warning)
        let application = Application(
            router: router(service: service, facts: facts, time: time),
            server: http,
            configuration: ApplicationConfiguration(
                address: .unixDomainSocket(path: facts.socketPath), serverName: "pollux/\(facts.version)",
                availableConnectionsDelegate: MaximumAvailableConnections(connections)),
            onServerRunning: { _ in await onRunning() }, eventLoopGroupProvider: .shared(eventLoopGroup), logger: quiet)
        return HTTPService(application) { Int(time.now().milliseconds / 1_000) }
    }

    /// How connections are served.
    static let http = HTTPServerBuilder { responder in
        HTTP1OnEventLoop(
            base: ContinuingHTTP1Channel(responder: responder, configuration: .init(idleTimeout: .seconds(75))))
    }

    /// All routes; tests drive it without a socket.
    package static func router(
        service: TaskService, facts: DaemonFacts, time: any TimeSource,
        bodies: ByteBudget = ByteBudget(capacity: maxBodyBytesAtOnce)
    ) -> Router<APIContext> {
        let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: ProblemMiddleware())
        router.add(middleware: BodyBudgetMiddleware(budget: bodies))
        let bulk = BulkSubmission(service: service, bodies: bodies, directory: facts.stateDirectory)
        TaskRoutes(service: service, bulk: bulk).add(to: router)
        TaskActionRoutes(service: service).add(to: router)
        EndpointRoutes(service: service).add(to: router)
        DaemonRoutes(service: service, facts: facts, time: time).add(to: router)
        return router
    }
}
