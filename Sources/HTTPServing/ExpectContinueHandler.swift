import NIOCore
import NIOHTTP1

/// A route begins to read the body of its request.
struct BodyWanted: Sendable {}

/// Answers `Expect: 100-continue` (RFC 9110, section 10.1.1).
///
/// `100 Continue` goes out when the route begins to read the body, and not where the client has begun to send it. A route
/// that answers without reading (413, 503, 404) gives its final status instead; the connection then ends, since
/// nobody can tell whether the next bytes are the body or the next request.
final class ExpectContinueHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    // Requests may be pipelined, so each has a number: the one that waits may not be the one that is being answered.
    private var received = 0
    private var answered = 0
    private var waiting: Int?
    private var endsConnection = false

    /// Whether the request that is being answered has a client that waits to be told to go on.
    private var isCurrentWaiting: Bool { waiting == answered + 1 }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            received += 1
            // A client of HTTP/1.0 does not know the answer.
            let knowsIt = head.version.major == 1 && head.version.minor >= 1
            let expects = head.headers[canonicalForm: "expect"].contains { $0.lowercased() == "100-continue" }
            waiting = knowsIt && expects ? received : nil
        case .body, .end:
            waiting = nil
        }
        context.fireChannelRead(data)
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is BodyWanted else {
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        if isCurrentWaiting {
            waiting = nil
            context.writeAndFlush(
                wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))), promise: nil)
        }
        promise?.succeed()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head) where isCurrentWaiting && head.status.code >= 200:
            waiting = nil
            endsConnection = true
            head.headers.replaceOrAdd(name: "connection", value: "close")
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .end:
            answered += 1
            guard endsConnection else {
                context.write(data, promise: promise)
                return
            }
            // Nothing of the body has come, so no client loses an answer that it has not read.
            let written = promise ?? context.eventLoop.makePromise()
            let channel = context.channel
            written.futureResult.whenComplete { _ in channel.close(promise: nil) }
            context.writeAndFlush(data, promise: written)
        case .head, .body:
            context.write(data, promise: promise)
        }
    }
}
