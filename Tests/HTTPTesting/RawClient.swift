import NIOCore
import NIOPosix

/// A raw connection.
package struct RawClient: Sendable {
    private let received: AsyncStream<String>
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>

    /// The server closed the connection too early.
    package struct Ended: Error {
        /// The text received before.
        package let text: String
    }

    /// Runs the body with a connection to a loopback port.
    package static func with(port: Int, _ body: (RawClient) async throws -> Void) async throws {
        try await with(try await bootstrap.connect(host: "127.0.0.1", port: port) { wrap($0) }, body)
    }

    /// Runs the body with a connection to a Unix socket.
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
            // The server may close the connection in any way.
            try? await reading
        }
    }

    /// Sends a text.
    package func send(_ text: String) async throws { try await outbound.write(ByteBuffer(string: text)) }

    /// Closes the write side and continues to read.
    package func finishWriting() { outbound.finish() }

    /// Reads up to and including that text.
    package func read(until end: String) async throws -> String {
        var text = ""
        for await part in received {
            text += part
            if text.contains(end) { return text }
        }
        throw Ended(text: text)
    }

    /// Reads until the server closes the connection.
    package func readToEnd() async throws -> String { await received.reduce("", +) }
}
