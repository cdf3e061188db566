package import HTTPServing
import Hummingbird
import HummingbirdCore
package import Logging
package import NIOCore
package import ProviderCatalog
package import ServiceLifecycle
package import TaskEngine
import TaskModel
package import UpstreamHTTP

/// The settings of the gateway that a reload may change.
package struct GatewaySettings: Sendable, Hashable {
    /// Further names that a `Host` header field may have.
    package var hosts: [String] = []
    /// The largest body of a submission.
    package var maxBodyBytes = 32 << 20
    /// Whether requests that submit or poll no task pass through to the provider.
    package var passesUnknown = true
    /// Whether tasks that programs ask for are tracked, if the provider knows them.
    package var adopts = true
    /// How long a request without a reply can be repeated.
    package var retryWindow: Duration = .seconds(600)

    package init() {}
}

/// The listener for programs that speak to a provider through Pollux, by their base URL.
package enum Gateway {
    /// The most connections at once. More wait in the kernel's queue.
    static let maxConnections = 512
    /// The memory for the bodies of all submissions together.
    static let maxBodyBytesAtOnce = 256 << 20

    /// Makes the server, as a service. `onRunning` gets the port once it accepts connections.
    package static func server(
        service: GatewayService, passing: any PassingTransport, settings: Current<GatewaySettings>,
        redactor: Current<SecretRedactor> = Current(always: SecretRedactor()), host: String, port: Int,
        identity: ServerIdentity?, time: any TimeSource, eventLoopGroup: any EventLoopGroup, logger: Logger,
        onRunning: @escaping @Sendable (_ port: Int) async -> Void
    ) throws(ServerIdentity.Refusal) -> some Service {
        var quiet = logger
        // A local program must not be able to fill the log with failed handshakes.
        quiet.logLevel = max(logger.logLevel, .critical)
        let router = Router(context: GatewayContext.self)
        router.add(
            middleware: GatewayRoute(
                service: service, settings: settings, host: host, scheme: identity == nil ? "http" : "https",
                passThrough: PassThrough(transport: passing, redactor: redactor, logger: logger), time: time,
                logger: logger))
        let http = HTTPServerBuilder { responder in
            ContinuingHTTP1Channel(
                responder: responder,
                configuration: .init(
                    additionalChannelHandlers: [DeliveryHandler()], idleTimeout: .seconds(75),
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: 32 << 10, maxHeaderListSize: 64 << 10, maxHeaderFieldCount: 200)))
        }
        let server = try identity?.server(over: http) ?? http
        let application = Application(
            router: router, server: server,
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: port), serverName: nil,
                availableConnectionsDelegate: MaximumAvailableConnections(maxConnections)),
            onServerRunning: { channel in await onRunning(channel.localAddress?.port ?? port) },
            eventLoopGroupProvider: .shared(eventLoopGroup), logger: quiet)
        return HTTPService(application) { Int(time.now().milliseconds / 1_000) }
    }
}

/// A request context that gives the route its connection.
struct GatewayContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }
}
