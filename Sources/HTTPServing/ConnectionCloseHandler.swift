import NIOCore
import NIOHTTP1

/// Closes the connection after a response that says so, or whose request did (RFC 9112, section 9.6).
///
/// A connection that is closed while the client still sends is reset, which may destroy the response before the client
/// has read it. So this closes its own side first, and discards what comes until the client closes too, which also shows that it
/// has read the response.
final class ConnectionCloseHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// How long a client may take to read its response and close.
    private static let patience = TimeAmount.seconds(5)

    private struct Request {
        let version: HTTPVersion
        let endsConnection: Bool
    }

    /// The requests that are not answered yet; clients may send several at once.
    private var requests: CircularBuffer<Request> = []
    private var endsConnection = false
    private var isClosing = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing else {
            if case .end = unwrapInboundIn(data) { context.close(promise: nil) }
            return
        }
        switch unwrapInboundIn(data) {
        case .head(let head):
            // A client of HTTP/1.0 does not know chunks, so a response may end with the connection only.
            requests.append(
                Request(version: head.version, endsConnection: head.version == .http1_0 || !head.isKeepAlive))
        case .body, .end: break
        }
        context.fireChannelRead(data)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        // The route reads no more.
        if isClosing { context.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if isClosing, event as? ChannelEvent == .inputClosed { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head) where head.status.code >= 200:
            let request = requests.popFirst()
            endsConnection = request?.endsConnection ?? false || !head.isKeepAlive
            if endsConnection { head.headers.replaceOrAdd(name: "connection", value: "close") }
            // In this version NIO sends no chunks.
            if request?.version == .http1_0 { head.version = .http1_0 }
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .end where endsConnection:
            let written = promise ?? context.eventLoop.makePromise()
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            written.futureResult.whenComplete { _ in
                let (handler, context) = bound.value
                handler.close(context)
            }
            context.writeAndFlush(data, promise: written)
        case .head, .body, .end:
            context.write(data, promise: promise)
        }
    }

    private func close(_ context: ChannelHandlerContext) {
        let channel = context.channel
        isClosing = true
        channel.close(mode: .output, promise: nil)
        channel.eventLoop.scheduleTask(in: Self.patience) { channel.close(promise: nil) }
        context.read()
    }
}
