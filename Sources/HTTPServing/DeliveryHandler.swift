import HTTPTypes
package import NIOCore
package import NIOHTTPTypes

/// DeliveryHandler finds out whether a program got the reply to its request.
///
/// It did if all bytes were written and then a next request came, the connection closed cleanly, or some time passed without
/// a reset. It did not if it had closed its side before the last byte, or reset the connection, as the system does for a
/// program that ends with bytes unread.
package final class DeliveryHandler: ChannelDuplexHandler, RemovableChannelHandler {
    package typealias InboundIn = HTTPRequestPart
    package typealias InboundOut = HTTPRequestPart
    package typealias OutboundIn = HTTPResponsePart
    package typealias OutboundOut = HTTPResponsePart

    /// An outbound user event: the fate of the reply to the request under way matters.
    private struct Track: Sendable {
        let patience: TimeAmount
        let onFate: @Sendable (_ isDelivered: Bool) -> Void
        let onDeparture: @Sendable () -> Void
    }

    /// A reply whose fate is not known.
    private final class Reply {
        let track: Track
        /// How many bytes of its body are to come; nil if the length is not known.
        var left: Int?
        var isWritten = false
        var timer: Scheduled<Void>?

        init(_ track: Track) { self.track = track }

        /// Whether the program has all of the reply with this part; nil if more of it comes.
        ///
        /// A program that knows the length may close the connection before the end of the response.
        func isWhole(with part: HTTPResponsePart) -> Bool? {
            switch part {
            case .head(let head):
                if head.status.kind != .informational { left = head.headerFields[.contentLength].flatMap { Int($0) } }
                return nil
            case .body(let bytes):
                guard let rest = left.map({ $0 - bytes.readableBytes }) else { return nil }
                left = rest
                return rest == 0 && bytes.readableBytes > 0 ? true : nil
            case .end: return left ?? 0 == 0
            }
        }
    }

    /// All of them in their order, and the one that is being written.
    private var open: [Reply] = []
    private var current: Reply?
    /// Whether the program has closed its side.
    private var hasDeparted = false

    package init() {}

    /// Has the fate of the reply to the request under way reported. Call it before the reply is written.
    ///
    /// `onFate` is called once. Without a reset it is true `patience` after the last byte at the latest. On a connection without
    /// this handler it is false at once. `onDeparture` is called if the program goes away before its reply is written.
    package static func track(
        over channel: any Channel, patience: TimeAmount = .seconds(2),
        onFate: @escaping @Sendable (_ isDelivered: Bool) -> Void = { _ in },
        onDeparture: @escaping @Sendable () -> Void = {}
    ) {
        let promise = channel.eventLoop.makePromise(of: Void.self)
        promise.futureResult.whenFailure { _ in
            onFate(false)
            onDeparture()
        }
        channel.triggerUserOutboundEvent(
            Track(patience: patience, onFate: onFate, onDeparture: onDeparture), promise: promise)
    }

    /// Runs `action` once the program has the whole file that the reply to the request under way is.
    ///
    /// A program that is slow to read has half a minute before it counts as having read what the system has.
    package static func afterFile(over channel: any Channel, _ action: @escaping @Sendable () async -> Void) {
        // The request may be over by then.
        track(over: channel, patience: .seconds(30), onFate: { if $0 { Task { await action() } } })
    }

    package func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?)
    {
        guard let track = event as? Track else {
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        let reply = Reply(track)
        open.append(reply)
        current = reply
        promise?.succeed()
        if hasDeparted { depart() }
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // Pipelined requests arrive before the reply is written, and say nothing about it.
        if case .head = unwrapInboundIn(data), !open.isEmpty { concludeWritten() }
        context.fireChannelRead(data)
    }

    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard let reply = current, let isWhole = reply.isWhole(with: unwrapOutboundIn(data)) else {
            context.write(data, promise: promise)
            return
        }
        current = nil
        guard isWhole else {
            conclude(reply, isDelivered: false)
            context.write(data, promise: promise)
            return
        }
        let written = promise ?? context.eventLoop.makePromise()
        let bound = NIOLoopBound((self, reply), eventLoop: context.eventLoop)
        written.futureResult.whenComplete { result in
            let (handler, reply) = bound.value
            guard case .success = result else { return handler.conclude(reply, isDelivered: false) }
            handler.noteWritten(reply, on: bound.eventLoop)
        }
        context.write(data, promise: written)
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed { depart() }
        context.fireUserInboundEventTriggered(event)
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is IOError {
            depart()
            for reply in open { conclude(reply, isDelivered: false) }
        }
        context.fireErrorCaught(error)
    }

    package func channelInactive(context: ChannelHandlerContext) {
        depart()
        concludeWritten()
        context.fireChannelInactive()
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        for reply in open { conclude(reply, isDelivered: reply.isWritten) }
    }

    private func noteWritten(_ reply: Reply, on eventLoop: any EventLoop) {
        guard open.contains(where: { $0 === reply }) else { return }
        reply.isWritten = true
        let bound = NIOLoopBound((self, reply), eventLoop: eventLoop)
        reply.timer = eventLoop.scheduleTask(in: reply.track.patience) {
            let (handler, reply) = bound.value
            handler.conclude(reply, isDelivered: true)
        }
    }

    /// The program has closed its side. Replies that are not written yet do not reach it.
    private func depart() {
        hasDeparted = true
        for reply in open where !reply.isWritten {
            conclude(reply, isDelivered: false)
            reply.track.onDeparture()
        }
    }

    private func concludeWritten() {
        for reply in open where reply.isWritten { conclude(reply, isDelivered: true) }
    }

    private func conclude(_ reply: Reply, isDelivered: Bool) {
        guard let index = open.firstIndex(where: { $0 === reply }) else { return }
        open.remove(at: index)
        if current === reply { current = nil }
        reply.timer?.cancel()
        reply.timer = nil
        reply.track.onFate(isDelivered)
    }
}
