import HTTPTypes
package import HummingbirdCore
package import Logging
package import NIOCore
import NIOHTTP1

/// An HTTP/1.1 channel that sends "100 Continue" when a route starts to read the body.
///
/// Replaces `HTTP1Channel`, which leaves this to the routes. Without it, curl waits a second before it sends more
/// than 1 MiB.
package struct ContinuingHTTP1Channel: ServerChildChannel {
    package typealias Value = HTTP1Channel.Value

    private let base: HTTP1Channel

    package init(
        responder: @escaping HTTPChannelHandler.Responder, configuration: HTTP1Channel.Configuration = .init()
    ) {
        base = HTTP1Channel(
            responder: { request, writer, channel in
                guard request.headers[.expect] != nil else {
                    return try await responder(request, writer, channel)
                }
                var request = request
                request.body = RequestBody(asyncSequence: WantedBody(body: request.body, channel: channel))
                try await responder(request, writer, channel)
            }, configuration: configuration)
    }

    package func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        base.setup(channel: channel, logger: logger).flatMapThrowing { value in
            let pipeline = channel.pipeline.syncOperations
            // The protocol version is still visible at this position.
            let decoder = try pipeline.context(handlerType: ByteToMessageHandler<HTTPRequestDecoder>.self)
            try pipeline.addHandlers(
                [ConnectionCloseHandler(), ExpectContinueHandler()], position: .after(decoder.handler))
            return value
        }
    }

    package func handle(value: Value, logger: Logger) async {
        await base.handle(value: value, logger: logger)
    }
}

/// A request body that notifies the connection when it is first read.
private struct WantedBody: AsyncSequence, Sendable {
    let body: RequestBody
    let channel: any Channel

    struct AsyncIterator: AsyncIteratorProtocol {
        var body: RequestBody.AsyncIterator
        var channel: (any Channel)?

        mutating func next() async throws -> ByteBuffer? {
            channel?.triggerUserOutboundEvent(BodyWanted(), promise: nil)
            channel = nil
            return try await body.next(isolation: #isolation)
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(body: body.makeAsyncIterator(), channel: channel) }
}
