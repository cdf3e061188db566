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
    /// Whether callbacks that a program wants are delivered from here. Otherwise its address stays in its request.
    package var deliversCallbacks = true
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

    /// Where it listens.
    package enum Place: Sendable {
        /// On a network address; with TLS if there is an identity.
        case address(host: String, port: Int, identity: ServerIdentity?)
        /// On a Unix socket.
        case socket(path: String)

        var identity: ServerIdentity? { if case .address(_, _, let identity) = self { identity } else { nil } }
        /// What a `Host` header field may say besides the names of this machine.
        var host: String { if case .address(let host, _, _) = self { host } else { "localhost" } }
        var address: BindAddress {
            switch self {
            case .address(let host, let port, _): .hostname(host, port: port)
            case .socket(let path): .unixDomainSocket(path: path)
            }
        }
    }

    /// Makes the server, as a service. `inherited` is the listening socket if it is open already. `onRunning` gets the port,
    /// if there is one, once it accepts connections.
    package static func server(
        service: GatewayService, passing: any PassingTransport, settings: Current<GatewaySettings>,
        redactor: Current<SecretRedactor> = Current(always: SecretRedactor()),
        artefacts: ArtefactService? = nil, at place: Place, inherited: CInt? = nil, time: any TimeSource,
        eventLoopGroup: any EventLoopGroup, logger: Logger,
        onRunning: @escaping @Sendable (_ port: Int?) async -> Void
    ) throws(ServerIdentity.Refusal) -> some Service {
        var quiet = logger
        // A local program must not be able to fill the log with failed handshakes.
        quiet.logLevel = max(logger.logLevel, .critical)
        let router = Router(context: GatewayContext.self)
        router.add(
            middleware: GatewayRoute(
                service: service, artefacts: artefacts, settings: settings, host: place.host,
                scheme: place.identity == nil ? "http" : "https",
                passThrough: PassThrough(transport: passing, redactor: redactor, logger: logger), time: time,
                logger: logger))
        let http = ChannelBuilder { responder in
            ContinuingHTTP1Channel(
                responder: responder,
                configuration: .init(
                    additionalChannelHandlers: [DeliveryHandler()], idleTimeout: .seconds(75),
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: 32 << 10, maxHeaderListSize: 64 << 10, maxHeaderFieldCount: 200)))
        }
        let channels = try place.identity?.channels(over: http) ?? http
        let application = Application(
            router: router,
            configuration: ApplicationConfiguration(
                address: place.address, serverName: nil,
                availableConnectionsDelegate: MaximumAvailableConnections(maxConnections)),
            onServerRunning: { channel in await onRunning(channel.localAddress?.port) },
            eventLoopGroupProvider: .shared(eventLoopGroup), logger: quiet)
        return HTTPService(application, channels: channels, inherited: inherited) {
            Int(time.now().milliseconds / 1_000)
        }
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
