import HummingbirdCore
import Logging
import NIOCore
import NIOExtras
import NIOPosix
import ServiceLifecycle

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// InheritedServer serves the connections of a listening socket that another process opened.
///
/// It does what Hummingbird's `Server` does, which can only open sockets itself. It closes the descriptor at its end; the
/// socket lives on in the other process, and connections that nobody has accepted wait there.
struct InheritedServer<Child: ServerChildChannel>: Service {
    let descriptor: CInt
    let child: Child
    let configuration: ServerConfiguration
    let eventLoopGroup: any EventLoopGroup
    let logger: Logger
    let onRunning: @Sendable (any Channel) async -> Void

    func run() async throws {
        let (connections, accepted) = AsyncStream<Child.Value>.makeStream()
        let quiescing = ServerQuiescingHelper(group: eventLoopGroup)
        let channel = try await open(quiescing, accepted)
        channel.closeFuture.whenComplete { _ in accepted.finish() }
        await withTaskCancellationOrGracefulShutdownHandler {
            await onRunning(channel)
            await withDiscardingTaskGroup { group in
                for await connection in connections {
                    group.addTask { await child.handle(value: connection, logger: logger) }
                }
            }
        } onCancelOrGracefulShutdown: {
            quiescing.initiateShutdown(promise: nil)
        }
        try? await channel.close()
    }

    private func open(
        _ quiescing: ServerQuiescingHelper, _ accepted: AsyncStream<Child.Value>.Continuation
    ) async throws -> any Channel {
        let (descriptor, child, configuration, logger) = (descriptor, child, configuration, logger)
        return try await ServerBootstrap(group: eventLoopGroup)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .serverChannelInitializer { channel in
                // NIO has limited the queue to 128 connections.
                listen(descriptor, CInt(configuration.backlog))
                return channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let delegate = configuration.availableConnectionsDelegate {
                        try pipeline.addHandler(Self.limiter(delegate))
                    }
                    try pipeline.addHandler(quiescing.makeServerChannelHandler(channel: channel))
                }
            }
            .childChannelInitializer { channel in
                child.setup(channel: channel, logger: logger).map { connection in
                    if case .terminated = accepted.yield(connection) { channel.close(promise: nil) }
                }
            }
            .withBoundSocket(descriptor).get()
    }

    private static func limiter(_ delegate: some AvailableConnectionsDelegate) -> any ChannelDuplexHandler {
        AvailableConnectionsChannelHandler(delegate: delegate)
    }
}

extension ServerChildChannel {
    /// A server on a socket that is open already.
    func server(
        inheriting descriptor: CInt, configuration: ServerConfiguration, eventLoopGroup: any EventLoopGroup,
        logger: Logger, onRunning: @escaping @Sendable (any Channel) async -> Void
    ) -> any Service {
        InheritedServer(
            descriptor: descriptor, child: self, configuration: configuration, eventLoopGroup: eventLoopGroup,
            logger: logger, onRunning: onRunning)
    }
}
