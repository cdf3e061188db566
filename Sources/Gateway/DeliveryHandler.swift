import NIOCore
import NIOHTTPTypes
import TaskStore

/// DeliveryHandler finds out whether a program got the reply to its submission.
///
/// It did if all bytes were written and then a next request came, the connection closed cleanly, or two seconds passed
/// without a reset. It did not if it had closed its side before the last byte, or reset the connection.
final class DeliveryHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// An outbound user event: the request under way is a submission.
    struct Track: Sendable {
        /// Called once.
        let onFate: @Sendable (Exchange.Fate) -> Void
        /// Called if the program goes away before its reply is written.
        let onDeparture: @Sendable () -> Void
    }

    private struct Tracked {
        let track: Track
        var isWritten = false
        var timer: Scheduled<Void>?
    }

    private static let patience = TimeAmount.seconds(2)

    private var tracked: Tracked?
    /// Whether the program has closed its side.
    private var hasDeparted = false

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard let track = event as? Track else {
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        conclude(.delivered)
        tracked = Tracked(track: track)
        promise?.succeed()
        if hasDeparted { depart() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // Pipelined requests arrive before the reply is written, and say nothing about it.
        if case .head = unwrapInboundIn(data), tracked?.isWritten ?? false { conclude(.delivered) }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .end = unwrapOutboundIn(data), let tracked, !tracked.isWritten else {
            context.write(data, promise: promise)
            return
        }
        let written = promise ?? context.eventLoop.makePromise()
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let eventLoop = context.eventLoop
        written.futureResult.whenComplete { result in
            switch result {
            case .success:
                let timer = eventLoop.scheduleTask(in: Self.patience) { bound.value.conclude(.delivered) }
                bound.value.noteWritten(timer)
            case .failure: bound.value.conclude(.undelivered)
            }
        }
        context.write(data, promise: written)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed {
            hasDeparted = true
            depart()
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is IOError {
            hasDeparted = true
            depart()
            conclude(.undelivered)
        }
        context.fireErrorCaught(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        hasDeparted = true
        depart()
        conclude(.delivered)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        conclude(tracked?.isWritten ?? false ? .delivered : .undelivered)
    }

    private func noteWritten(_ timer: Scheduled<Void>) {
        guard tracked != nil else { return timer.cancel() }
        tracked?.isWritten = true
        tracked?.timer = timer
    }

    /// The program has closed its side. A reply that is not written yet does not reach it.
    private func depart() {
        guard let tracked, !tracked.isWritten else { return }
        conclude(.undelivered)
        tracked.track.onDeparture()
    }

    private func conclude(_ fate: Exchange.Fate) {
        guard let tracked else { return }
        self.tracked = nil
        tracked.timer?.cancel()
        tracked.track.onFate(fate)
    }
}
