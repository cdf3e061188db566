import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import TaskModel

/// The HTTP clients of each way to a provider: straight, through a tunnel, or by way of a forwarding proxy.
///
/// Paid requests have clients of their own whose connections serve one request each: on a kept connection the server may
/// close in the moment in which a request is written, and nobody could say whether it arrived.
struct UpstreamClients: Sendable {
    /// How a request gets to its host.
    enum Way: Hashable {
        case straight
        /// Through a proxy that only carries bytes: HTTP's CONNECT, or SOCKS.
        case tunnel(ProxySettings.Proxy)
        /// By way of a proxy that reads the request, as for `http://` (RFC 9112, section 3.2.2).
        case forwarding(ProxySettings.Proxy)
    }

    private struct Key: Hashable {
        let way: Way
        let isPaid: Bool
    }

    private let clients: [Key: HTTPClient]
    private let straight: (paid: HTTPClient, free: HTTPClient)
    private let proxies: ProxySettings

    init(proxies: ProxySettings, connectTimeout: Duration, eventLoopGroup: any EventLoopGroup) {
        self.proxies = proxies
        func client(_ way: Way, isPaid: Bool) -> HTTPClient {
            HTTPClient(
                eventLoopGroupProvider: .shared(eventLoopGroup),
                configuration: Self.configuration(way, isPaid: isPaid, connectTimeout: connectTimeout))
        }
        straight = (client(.straight, isPaid: true), client(.straight, isPaid: false))
        var clients: [Key: HTTPClient] = [:]
        for way in [
            proxies.http.map { $0.kind == .http ? Way.forwarding($0) : .tunnel($0) }, proxies.https.map(Way.tunnel),
        ] {
            guard let way else { continue }
            for isPaid in [true, false] where clients[Key(way: way, isPaid: isPaid)] == nil {
                clients[Key(way: way, isPaid: isPaid)] = client(way, isPaid: isPaid)
            }
        }
        self.clients = clients
    }

    /// The way to an address.
    func way(to url: String) -> Way {
        guard let proxy = proxies.proxy(for: url) else { return .straight }
        let isForwarding = proxy.kind == .http && url.lowercased().hasPrefix("http://")
        return isForwarding ? .forwarding(proxy) : .tunnel(proxy)
    }

    /// The client for requests that go that way.
    func client(_ way: Way, isPaid: Bool) -> HTTPClient {
        clients[Key(way: way, isPaid: isPaid)] ?? (isPaid ? straight.paid : straight.free)
    }

    func shutdown() async throws {
        for client in [straight.paid, straight.free] + clients.values { try await client.shutdown() }
    }

    private static func configuration(
        _ way: Way, isPaid: Bool, connectTimeout: Duration
    ) -> HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow,
            timeout: .init(connect: .milliseconds(connectTimeout.wholeMilliseconds)), decompression: .disabled)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        configuration.httpVersion = .http1Only
        // A refused connection is told at once; when to try again is for the engine to say.
        configuration.connectionPool.retryConnectionEstablishment = false
        if isPaid { configuration.maximumUsesPerConnection = 1 }
        switch way {
        case .straight: break
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

/// Names the whole address in the request line, as a forwarding proxy wants it; the host stands in `Host`.
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
