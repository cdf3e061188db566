import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import TaskModel

/// Holds an HTTP client for each route to a provider: direct, through a tunnel, or through a forwarding proxy.
///
/// Paid requests use separate clients with one request per connection. A server may close a reused connection just as
/// a request is written, and then nothing shows whether the request arrived.
struct UpstreamClients: Sendable {
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
        let isPaid: Bool
    }

    private let clients: [Key: HTTPClient]
    private let direct: (paid: HTTPClient, free: HTTPClient)
    private let proxies: ProxySettings

    init(proxies: ProxySettings, connectTimeout: Duration, eventLoopGroup: any EventLoopGroup) {
        self.proxies = proxies
        func client(_ route: Route, isPaid: Bool) -> HTTPClient {
            HTTPClient(
                eventLoopGroupProvider: .shared(eventLoopGroup),
                configuration: Self.configuration(route, isPaid: isPaid, connectTimeout: connectTimeout))
        }
        direct = (client(.direct, isPaid: true), client(.direct, isPaid: false))
        var clients: [Key: HTTPClient] = [:]
        for route in [
            proxies.http.map { $0.kind == .http ? Route.forwarding($0) : .tunnel($0) }, proxies.https.map(Route.tunnel),
        ] {
            guard let route else { continue }
            for isPaid in [true, false] where clients[Key(route: route, isPaid: isPaid)] == nil {
                clients[Key(route: route, isPaid: isPaid)] = client(route, isPaid: isPaid)
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
    func client(_ route: Route, isPaid: Bool) -> HTTPClient {
        clients[Key(route: route, isPaid: isPaid)] ?? (isPaid ? direct.paid : direct.free)
    }

    func shutdown() async throws {
        for client in [direct.paid, direct.free] + clients.values { try await client.shutdown() }
    }

    private static func configuration(
        _ route: Route, isPaid: Bool, connectTimeout: Duration
    ) -> HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow,
            timeout: .init(connect: .milliseconds(connectTimeout.wholeMilliseconds)), decompression: .disabled)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        configuration.httpVersion = .http1Only
        // A refused connection fails immediately. The engine decides when to retry.
        configuration.connectionPool.retryConnectionEstablishment = false
        if isPaid { configuration.maximumUsesPerConnection = 1 }
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
