import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOSSL
import Synchronization
import TaskModel

/// Holds an HTTP client for each route to a provider: direct, through a tunnel, or through a forwarding proxy.
///
/// Paid requests use separate clients with one request per connection. A server may close a reused connection just as
/// a request is written, and then nothing shows whether the request arrived. What passes through the gateway may last for hours.
/// It uses separate clients too, so that polls and submissions never wait for it.
struct UpstreamClients: Sendable {
    /// What a request is for.
    enum Purpose: CaseIterable {
        case paid, free
        /// What passes through, with and without a body.
        case passedBody, passed

        /// Whether each request uses a new connection.
        var isAlone: Bool { self == .paid || self == .passedBody }
    }

    /// How a request reaches its host.
    enum Route: Hashable {
        case direct
        /// Through a proxy that relays bytes: HTTP CONNECT or SOCKS.
        case tunnel(ProxySettings.Proxy)
        /// Through a proxy that reads the request, as for `http://` (RFC 9112, section 3.2.2).
        case forwarding(ProxySettings.Proxy)
    }

    private struct Key: Hashable {
        let route: Route
        let purpose: Purpose
    }

    private let clients: [Key: HTTPClient]
    private let proxies: ProxySettings
    private let connectTimeout: Duration
    private let eventLoopGroup: any EventLoopGroup

    init(_ connections: UpstreamHTTP.Connections, eventLoopGroup: any EventLoopGroup) {
        let (proxies, connectTimeout) = (connections.proxies, connections.connectTimeout)
        self.proxies = proxies
        self.connectTimeout = connectTimeout
        self.eventLoopGroup = eventLoopGroup
        let tls = connections.trust.configuration
        let proxied = [
            proxies.http.map { $0.kind == .http ? Route.forwarding($0) : .tunnel($0) }, proxies.https.map(Route.tunnel),
        ]
        var clients: [Key: HTTPClient] = [:]
        for route in Set([.direct] + proxied.compactMap(\.self)) {
            for purpose in Purpose.allCases {
                clients[Key(route: route, purpose: purpose)] = HTTPClient(
                    eventLoopGroupProvider: .shared(eventLoopGroup),
                    configuration: Self.configuration(
                        route, isAlone: purpose.isAlone, tls: tls, connectTimeout: connectTimeout))
            }
        }
        self.clients = clients
    }

    /// The route to a URL.
    func route(to url: String) -> Route {
        guard let proxy = proxies.proxy(for: url) else { return .direct }
        let isForwarding = proxy.kind == .http && url.lowercased().hasPrefix("http://")
        return isForwarding ? .forwarding(proxy) : .tunnel(proxy)
    }

    /// The client for requests on that route.
    func client(_ route: Route, for purpose: Purpose) -> HTTPClient {
        // A text that is no URL may have a route without a client. Any client refuses it.
        let client = clients[Key(route: route, purpose: purpose)] ?? clients[Key(route: .direct, purpose: purpose)]
        guard let client else { preconditionFailure("there is no direct client") }
        return client
    }

    func shutdown() async throws {
        for client in clients.values { try await client.shutdown() }
    }

    /// The period in which the certificate of the URL's host is valid; nil if it cannot be determined.
    ///
    /// For the message about a failed handshake, whose error does not contain the period. It checks nothing and sends
    /// no request.
    func certificateValidity(of url: String, on route: Route) async -> ClosedRange<Timestamp>? {
        struct Seen: Error {}
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.certificateVerification = .none
        var configuration = Self.configuration(route, isAlone: true, tls: tls, connectTimeout: connectTimeout)
        let validity = Mutex<ClosedRange<Timestamp>?>(nil)
        configuration.http1_1ConnectionDebugInitializer = { channel in
            channel.eventLoop.makeCompletedFuture {
                let certificate = try channel.pipeline.syncOperations.nioSSL_peerCertificate()
                validity.withLock { $0 = certificate?.validity }
                channel.close(promise: nil)
                // The client sends its request only over a connection without an error.
                throw Seen()
            }
        }
        let client = HTTPClient(eventLoopGroupProvider: .shared(eventLoopGroup), configuration: configuration)
        _ = try? await client.get(url: url, deadline: .now() + .milliseconds(connectTimeout.wholeMilliseconds)).get()
        try? await client.shutdown()
        return validity.withLock { $0 }
    }

    static func configuration(
        _ route: Route, isAlone: Bool, tls: TLSConfiguration, connectTimeout: Duration
    ) -> HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: tls, redirectConfiguration: .disallow,
            timeout: .init(connect: .milliseconds(connectTimeout.wholeMilliseconds)), decompression: .disabled)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        configuration.httpVersion = .http1Only
        // A refused connection fails immediately. The engine decides when to retry.
        configuration.connectionPool.retryConnectionEstablishment = false
        if isAlone { configuration.maximumUsesPerConnection = 1 }
        switch route {
        case .direct: break
        case .tunnel(let proxy):
            configuration.proxy =
                proxy.kind == .socks
                ? .socksServer(host: proxy.host, port: proxy.port)
                : .server(host: proxy.host, port: proxy.port, authorization: proxy.authorization)
        case .forwarding(let proxy):
            let authorization = proxy.authorization?.headerValue
            configuration.http1_1ConnectionDebugInitializer = { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(
                        ForwardedRequest(authorization: authorization),
                        position: .after(pipeline.handler(type: HTTPRequestEncoder.self)))
                }
            }
        }
        return configuration
    }
}

/// Holds the current clients, and former ones until the end, because they may have requests in flight.
final class ClientPool: Sendable {
    private struct State {
        var connections: UpstreamHTTP.Connections
        var clients: UpstreamClients
        var former: [UpstreamClients] = []
    }

    private let state: Mutex<State>
    private let eventLoopGroup: any EventLoopGroup

    init(_ connections: UpstreamHTTP.Connections, eventLoopGroup: any EventLoopGroup) {
        self.eventLoopGroup = eventLoopGroup
        state = Mutex(
            State(
                connections: connections,
                clients: UpstreamClients(connections, eventLoopGroup: eventLoopGroup)))
    }

    var current: UpstreamClients { state.withLock { $0.clients } }

    /// Replaces the clients if the connections differ. Idle connections of the former clients close by themselves.
    func use(_ connections: UpstreamHTTP.Connections) {
        state.withLock { state in
            guard state.connections != connections else { return }
            state.former.append(state.clients)
            state.connections = connections
            state.clients = UpstreamClients(connections, eventLoopGroup: eventLoopGroup)
        }
    }

    func shutdown() async throws {
        for clients in state.withLock({ $0.former + [$0.clients] }) { try await clients.shutdown() }
    }
}

extension ProxySettings.Proxy {
    fileprivate var authorization: HTTPClient.Authorization? {
        credentials.map { credentials in
            let parts = credentials.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            return .basic(username: String(parts[0]), password: parts.count > 1 ? String(parts[1]) : "")
        }
    }
}

/// Writes the absolute URL in the request line, as forwarding proxies require. The host comes from `Host`.
private final class ForwardedRequest: ChannelOutboundHandler {
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    private let authorization: String?

    init(authorization: String?) {
        self.authorization = authorization
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .head(var head) = unwrapOutboundIn(data) else { return context.write(data, promise: promise) }
        head.uri = "http://" + (head.headers.first(name: "Host") ?? "") + head.uri
        if let authorization { head.headers.replaceOrAdd(name: "Proxy-Authorization", value: authorization) }
        context.write(wrapOutboundOut(.head(head)), promise: promise)
    }
}
