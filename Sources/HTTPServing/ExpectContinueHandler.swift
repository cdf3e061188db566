import NIOCore
import NIOHTTP1

/// An outbound user event: a route starts to read its request's body.
struct BodyWanted: Sendable {}

/// Handles `Expect: 100-continue` (RFC 9110, section 10.1.1).
///
/// Sends `100 Continue` when the route starts to read the body, unless the client already sends it. A route that
/// responds without reading (413, 503, 404) sends its final status instead, which ``ConnectionCloseHandler`` makes the
/// last of the connection: the next bytes could be the body or another request.
final class ExpectContinueHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    // Pipelined requests are numbered: the waiting request may not be the one being answered.
    private var received = 0
    private var answered = 0
    private var waiting: Int?

    /// Whether the client of the current request waits for `100 Continue`.
    private var isCurrentWaiting: Bool { waiting == answered + 1 }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            received += 1
            // HTTP/1.0 clients do not understand `100 Continue`.
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
            head.headers.replaceOrAdd(name: "connection", value: "close")
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .end:
            answered += 1
            context.write(data, promise: promise)
        case .head, .body:
            context.write(data, promise: promise)
        }
    }
}
