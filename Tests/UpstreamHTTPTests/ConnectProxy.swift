import NIOCore
import NIOPosix
import Synchronization

/// A proxy on a loopback port that supports `CONNECT`.
final class ConnectProxy: Sendable {
    private let heads = Mutex<[String]>([])
    private let channel = Mutex<(any Channel)?>(nil)

    /// The first line of each tunnel.
    var requests: [String] { heads.withLock { $0 } }
    var address: String { "127.0.0.1:\(channel.withLock { $0?.localAddress?.port } ?? 0)" }

    static func start() async throws -> ConnectProxy {
        let proxy = ConnectProxy()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Tunnel(proxy))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        proxy.channel.withLock { $0 = channel }
        return proxy
    }

    func stop() async throws { try await channel.withLock { $0 }?.close() }

    /// Reads the request, connects, and passes on bytes in both directions.
    private final class Tunnel: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let proxy: ConnectProxy
        private var head = ""
        private var server: (any Channel)?

        init(_ proxy: ConnectProxy) {
            self.proxy = proxy
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = unwrapInboundIn(data)
            if let server { return server.writeAndFlush(bytes, promise: nil) }
            head += String(buffer: bytes)
            guard head.hasSuffix("\r\n\r\n") else { return }
            let line = head.prefix { $0 != "\r\n" }
            let target = line.split(separator: " ").dropFirst().first?.split(separator: ":") ?? []
            proxy.heads.withLock { $0.append(String(line)) }
            guard line.hasPrefix("CONNECT "), target.count == 2, let port = Int(target[1]) else {
                return context.close(promise: nil)
            }
            let client = context.channel
            let box = NIOLoopBound(self, eventLoop: context.eventLoop)
            // On one event loop, so that both ends need no lock.
            ClientBootstrap(group: context.eventLoop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(ServerHandler(to: client))
                    }
                }
                .connect(host: String(target[0]), port: port).whenComplete { result in
                    guard case .success(let server) = result else { return client.close(promise: nil) }
                    box.value.server = server
                    client.writeAndFlush(ByteBuffer(string: "HTTP/1.1 200 Established\r\n\r\n"), promise: nil)
                }
        }

        func channelInactive(context: ChannelHandlerContext) { server?.close(promise: nil) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    private final class ServerHandler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let client: any Channel

        init(to client: any Channel) {
            self.client = client
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            client.writeAndFlush(unwrapInboundIn(data), promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) { client.close(promise: nil) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
