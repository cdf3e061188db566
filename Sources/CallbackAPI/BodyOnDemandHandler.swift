import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Reads a request's body only when the route asks for it, and closes the connection after the response.
///
/// Before that it reads at most ``maxUnrequestedBytes``, and discards them if the token is unknown. It sends "100
/// Continue" (RFC 9110, section 10.1.1) when the route asks for the body.
final class BodyOnDemandHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// An outbound user event that asks for the whole body.
    ///
    /// The bytes are reserved in the ``ClientLimiter``; the receiver of the body releases them.
    struct BodyRequest: Sendable {
        /// The size limit of the body in bytes.
        let limit: Int
        let promise: EventLoopPromise<ByteBuffer>
    }

    /// Why the body cannot be delivered.
    enum BodyError: Error {
        case tooLarge
        /// All bodies together reached their limit.
        case noRoom
        /// The connection ended early, or the request is not valid HTTP.
        case broken
    }

    private enum State {
        case beforeHead
        /// Reading is paused until the route asks for the body.
        case holding
        case collecting(BodyRequest)
        /// Further input is discarded.
        case over
    }

    /// The most bytes that are read before the route asks for the body.
    static let maxUnrequestedBytes = 4 << 10
    /// How long a client that still sends may read the response. Closing a connection with unread bytes resets it and
    /// discards the response.
    private static let linger = TimeAmount.milliseconds(500)

    private let limiter: ClientLimiter
    private var state = State.beforeHead
    /// The part of the body that has arrived.
    private var body = ByteBuffer()
    /// The reserved part of `body`, in bytes.
    private var reserved = 0
    private var isComplete = false
    private var isReadHeld = false
    private var waitsForContinue = false

    init(limiter: ClientLimiter) {
        self.limiter = limiter
    }

    func handlerAdded(context: ChannelHandlerContext) {
        setReads(of: context, FixedSizeRecvByteBufferAllocator(capacity: Self.maxUnrequestedBytes), atOnce: 1)
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
            // Further input on the connection, which closes after the response.
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
        // The receiver now releases the bytes.
        reserved = 0
        request.promise.succeed(body)
        body = ByteBuffer()
    }

    /// Discards the body and all further input.
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
        // A channel that is not a socket lacks these options and uses its defaults.
        try? context.channel.syncOptions?.setOption(.recvAllocator, value: allocator)
        try? context.channel.syncOptions?.setOption(.maxMessagesPerRead, value: atOnce)
    }
}
