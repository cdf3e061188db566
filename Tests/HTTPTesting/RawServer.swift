import NIOCore
import NIOPosix
package import NIOSSL
import Synchronization

/// A server on a loopback port whose raw replies the test decides.
package final class RawServer: Sendable {
    /// The server's reaction to a request.
    package enum Action: Sendable {
        /// Sends these bytes and keeps the connection open.
        case reply(String)
        /// Sends this head and a binary body.
        case replyBytes(String, body: [UInt8])
        /// Sends these bytes and closes the connection.
        case replyAndClose(String)
        /// Closes the connection without sending anything.
        case close
        /// Never replies.
        case hang
    }

    private struct State {
        var connections = 0
        var requests: [String] = []
    }

    private let state = Mutex(State())
    private let action: @Sendable (_ request: Int) -> Action
    private let channel = Mutex<(any Channel)?>(nil)

    /// Starts listening, with TLS if there is a context. The closure chooses the action by the request's number, from 1.
    package static func start(
        tls: NIOSSLContext? = nil, _ action: @escaping @Sendable (_ request: Int) -> Action
    ) async throws -> RawServer {
        let server = RawServer(action)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls))
                    }
                    try channel.pipeline.syncOperations.addHandler(Handler(server: server))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        server.channel.withLock { $0 = channel }
        return server
    }

    private init(_ action: @escaping @Sendable (Int) -> Action) {
        self.action = action
    }

    package var port: Int { channel.withLock { $0?.localAddress?.port } ?? 0 }
    package var url: String { "http://127.0.0.1:\(port)/v1" }
    /// The number of connections.
    package var connections: Int { state.withLock { $0.connections } }
    /// The requests as received, with head and body.
    package var requests: [String] { state.withLock { $0.requests } }

    package func stop() async throws { try await channel.withLock { $0 }?.close() }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let server: RawServer
        private var text = ""

        init(server: RawServer) {
            self.server = server
        }

        func channelActive(context: ChannelHandlerContext) {
            server.state.withLock { $0.connections += 1 }
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            text += String(buffer: unwrapInboundIn(data))
            guard isWhole else { return }
            let request = text
            text = ""
            let number = server.state.withLock { state in
                state.requests.append(request)
                return state.requests.count
            }
            switch server.action(number) {
            case .reply(let reply):
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: reply)), promise: nil)
            case .replyBytes(let head, let body):
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: Array(head.utf8) + body)), promise: nil)
            case .replyAndClose(let reply):
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: reply)), promise: nil)
                context.close(promise: nil)
            case .close:
                context.close(promise: nil)
            case .hang:
                break
            }
        }

        private var isWhole: Bool {
            let parts = text.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { return text.first?.isLetter == false }
            let length =
                parts[0].split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
                .flatMap { Int($0.drop { $0 != ":" }.dropFirst().drop { $0 == " " }) } ?? 0
            return parts[1].utf8.count >= length
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}

extension RawServer {
    /// A complete HTTP response.
    package static func http(_ status: String = "200 OK", headers: [String] = [], body: String = "{}") -> String {
        (["HTTP/1.1 \(status)"] + headers + ["Content-Length: \(body.utf8.count)", "", body]).joined(separator: "\r\n")
    }
}
