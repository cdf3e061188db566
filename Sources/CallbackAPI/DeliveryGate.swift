import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Stands between the wire and the route: holds a body back until the route asks for it, and ends the connection with the
/// answer.
///
/// A request with an unknown token has no more read than what came with the head of the request, at most ``mostUnasked`` bytes, and
/// nothing of that is kept. A client that waits for "100 Continue" (RFC 9110, section 10.1.1) is told to go on when the
/// body is asked for.
final class DeliveryGate: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// Asks for the body, all of it, as a user event on its way out.
    ///
    /// Its bytes are reserved in the ``ClientLimiter``; the receiver of the body releases them.
    struct BodyRequest: Sendable {
        /// The most bytes that it may have.
        let limit: Int
        let promise: EventLoopPromise<ByteBuffer>
    }

    /// Why there is no body.
    enum BodyError: Error {
        case tooLarge
        /// All bodies together have as many bytes as they may.
        case noRoom
        /// The connection ended first, or what came is no HTTP.
        case broken
    }

    private enum State {
        case beforeHead
        /// Nothing is read until the body is asked for.
        case holding
        case collecting(BodyRequest)
        /// What still comes interests nobody.
        case over
    }

    /// What is read of a request before anybody asks for its body.
    static let mostUnasked = 4 << 10
    /// How long a client that is still sending has to read its answer; a connection that is closed with bytes unread is
    /// reset, and takes the answer with it.
    private static let linger = TimeAmount.milliseconds(500)

    private let limiter: ClientLimiter
    private var state = State.beforeHead
    /// What came of the body so far.
    private var body = ByteBuffer()
    /// How much of it is reserved.
    private var reserved = 0
    private var isComplete = false
    private var isReadHeld = false
    private var waitsForContinue = false

    init(limiter: ClientLimiter) {
        self.limiter = limiter
    }

    func handlerAdded(context: ChannelHandlerContext) {
        setReads(of: context, FixedSizeRecvByteBufferAllocator(capacity: Self.mostUnasked), atOnce: 1)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (unwrapInboundIn(data), state) {
        case (.head(let head), .beforeHead):
            state = .holding
            waitsForContinue = head.headerFields[.expect]?.lowercased() == "100-continue"
            context.fireChannelRead(data)
        case (.body(let part), .holding):
            body.writeImmutableBuffer(part)
        case (.body(let part), .collecting(let request)):
            take(part, for: request)
        case (.end, .holding):
            isComplete = true
        case (.end, .collecting(let request)):
            isComplete = true
            succeed(request)
        case (.head, _), (.body, _), (.end, _):
            // What follows a request on its connection, which ends with the answer.
            break
        }
    }

    func read(context: ChannelHandlerContext) {
        switch state {
        case .beforeHead, .collecting: context.read()
        case .holding, .over: isReadHeld = true
        }
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard let request = event as? BodyRequest else {
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        promise?.succeed()
        guard case .holding = state else { return request.promise.fail(BodyError.broken) }
        state = .collecting(request)
        let early = body
        body = ByteBuffer()
        take(early, for: request)
        guard case .collecting = state else { return }
        guard !isComplete else { return succeed(request) }
        if waitsForContinue, early.readableBytes == 0 {
            context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
        }
        setReads(of: context, AdaptiveRecvByteBufferAllocator(), atOnce: 4)
        if isReadHeld {
            isReadHeld = false
            context.read()
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .end = unwrapOutboundIn(data) else {
            context.write(data, promise: promise)
            return
        }
        let written = promise ?? context.eventLoop.makePromise()
        let (channel, isComplete) = (context.channel, isComplete)
        written.futureResult.whenComplete { _ in
            guard !isComplete else { return channel.close(promise: nil) }
            channel.close(mode: .output, promise: nil)
            channel.eventLoop.scheduleTask(in: Self.linger) { channel.close(promise: nil) }
        }
        context.writeAndFlush(data, promise: written)
        drop(because: .broken)
    }

    func channelInactive(context: ChannelHandlerContext) {
        drop(because: .broken)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        drop(because: .broken)
        context.fireErrorCaught(error)
    }

    func handlerRemoved(context: ChannelHandlerContext) { drop(because: .broken) }

    private func take(_ part: ByteBuffer, for request: BodyRequest) {
        guard body.readableBytes + part.readableBytes <= request.limit else { return drop(because: .tooLarge) }
        guard limiter.reserve(part.readableBytes) else { return drop(because: .noRoom) }
        reserved += part.readableBytes
        body.writeImmutableBuffer(part)
    }

    private func succeed(_ request: BodyRequest) {
        state = .over
        // From here on they are the route's to release.
        reserved = 0
        request.promise.succeed(body)
        body = ByteBuffer()
    }

    /// Nothing more is kept, and nothing more will be.
    private func drop(because error: BodyError) {
        limiter.release(reserved)
        reserved = 0
        body = ByteBuffer()
        if case .collecting(let request) = state { request.promise.fail(error) }
        state = .over
    }

    private func setReads(
        of context: ChannelHandlerContext, _ allocator: any RecvByteBufferAllocator, atOnce: UInt
    ) {
        // A channel without these options reads as it likes; ours are sockets and have them.
        try? context.channel.syncOptions?.setOption(.recvAllocator, value: allocator)
        try? context.channel.syncOptions?.setOption(.maxMessagesPerRead, value: atOnce)
    }
}
