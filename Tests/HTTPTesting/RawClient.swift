import NIOCore
import NIOPosix

/// One connection, byte for byte.
package struct RawClient: Sendable {
    private let received: AsyncStream<String>
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>

    /// The server has ended the connection too soon.
    package struct Ended: Error {
        /// What had come before.
        package let text: String
    }

    /// Connects to a loopback port for the span of the body.
    package static func with(port: Int, _ body: (RawClient) async throws -> Void) async throws {
        try await with(try await bootstrap.connect(host: "127.0.0.1", port: port) { wrap($0) }, body)
    }

    /// Connects to a Unix socket for the span of the body.
    package static func with(socketPath: String, _ body: (RawClient) async throws -> Void) async throws {
        try await with(try await bootstrap.connect(unixDomainSocketPath: socketPath) { wrap($0) }, body)
    }

    private static var bootstrap: ClientBootstrap {
        ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
    }

    private static func wrap(_ channel: any Channel) -> EventLoopFuture<NIOAsyncChannel<ByteBuffer, ByteBuffer>> {
        channel.eventLoop.makeCompletedFuture {
            try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
        }
    }

    private static func with(
        _ channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>, _ body: (RawClient) async throws -> Void
    ) async throws {
        try await channel.executeThenClose { inbound, outbound in
            let (stream, sink) = AsyncStream<String>.makeStream()
            async let reading: Void = {
                defer { sink.finish() }
                for try await part in inbound { sink.yield(String(buffer: part)) }
            }()
            try await body(RawClient(received: stream, outbound: outbound))
            channel.channel.close(promise: nil)
            // The server may end the connection as it likes.
            try? await reading
        }
    }

    /// Sends it.
    package func send(_ text: String) async throws { try await outbound.write(ByteBuffer(string: text)) }

    /// Says that nothing more will come, and still reads.
    package func finishWriting() { outbound.finish() }

    /// What comes up to that text.
    package func read(until end: String) async throws -> String {
        var text = ""
        for await part in received {
            text += part
            if text.contains(end) { return text }
        }
        throw Ended(text: text)
    }

    /// What comes until the server ends the connection.
    package func readToEnd() async throws -> String { await received.reduce("", +) }
}
