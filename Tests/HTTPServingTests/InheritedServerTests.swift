import Foundation
import HTTPServing
import HTTPTesting
import Hummingbird
import HummingbirdCore
import Logging
import NIOPosix
import ServiceLifecycle
import Testing

/// A server on a socket that stays open when the server ends.
@Suite(.timeLimit(.minutes(5))) struct InheritedServerTests {
    /// A listening socket with a path, closed and removed at the end.
    private final class ListeningSocket: Sendable {
        let path = "/tmp/pollux-listening-\(UInt32.random(in: .min ... .max))"
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)

        init() throws {
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            let result = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            try #require(result == 0 && listen(descriptor, 16) == 0)
        }

        deinit {
            close(descriptor)
            unlink(path)
        }
    }

    /// Serves the socket, as one process of the daemon, until `body` returns.
    private func serving(
        _ socket: ListeningSocket, limit: Int = 100, as name: String, _ body: @Sendable () async throws -> Void
    ) async throws {
        let router = Router()
        router.get("name") { _, _ in name }
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let application = Application(
            router: router,
            configuration: ApplicationConfiguration(availableConnectionsDelegate: MaximumAvailableConnections(limit)),
            logger: logger)
        let service = HTTPService(
            application, channels: ChannelBuilder { ContinuingHTTP1Channel(responder: $0) },
            inherited: dup(socket.descriptor), now: { 0 })
        let group = ServiceGroup(services: [service], logger: logger)
        try await withThrowingTaskGroup { tasks in
            tasks.addTask { try await group.run() }
            try await body()
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    private static let request = "GET /name HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    @Test func `clients that connect between two servers wait for the next one`() async throws {
        let socket = try ListeningSocket()
        for name in ["first", "second"] {
            // Nobody accepts the connection yet, but the socket takes it.
            try await RawClient.with(socketPath: socket.path) { early in
                try await early.send(Self.request)
                try await serving(socket, as: name) {
                    #expect(try await early.readToEnd().hasSuffix(name))
                    try await RawClient.with(socketPath: socket.path) { client in
                        try await client.send(Self.request)
                        #expect(try await client.readToEnd().hasPrefix("HTTP/1.1 200 OK\r\n"))
                    }
                }
            }
        }
        // The server has removed nothing.
        #expect(FileManager.default.fileExists(atPath: socket.path))
    }

    @Test func `beyond its limit, connections wait until another one ends`() async throws {
        let socket = try ListeningSocket()
        try await serving(socket, limit: 1, as: "it") {
            try await RawClient.with(socketPath: socket.path) { first in
                try await first.send(Self.request.replacing("Connection: close\r\n", with: ""))
                _ = try await first.read(until: "it")
                try await RawClient.with(socketPath: socket.path) { second in
                    try await second.send(Self.request)
                    first.finishWriting()
                    _ = try await first.readToEnd()
                    #expect(try await second.readToEnd().hasSuffix("it"))
                }
            }
        }
    }
}
