import NIOCore

/// Closes connections that exceed their lifetime, and new ones from addresses with too many.
final class ConnectionLimitHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = Any

    private let limiter: ClientLimiter
    private let lifetime: TimeAmount
    private var deadline: Scheduled<Void>?
    private var ticket: ClientLimiter.Ticket?

    init(limiter: ClientLimiter, lifetime: TimeAmount) {
        self.limiter = limiter
        self.lifetime = lifetime
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        guard let ticket = limiter.open(channel.remoteAddress) else {
            // The channel's set-up continues after this call, so the channel closes later.
            context.eventLoop.execute { channel.close(promise: nil) }
            return
        }
        self.ticket = ticket
        deadline = context.eventLoop.scheduleTask(in: lifetime) { channel.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { end() }

    private func end() {
        deadline?.cancel()
        deadline = nil
        if let ticket { limiter.close(ticket) }
        ticket = nil
    }
}
