import Foundation
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

@testable import Sandbox

/// A sandbox on a free loopback port for one test.
struct RunningSandbox: Sendable {
    let port: Int
    let clock: ManualClock

    /// Everything received over one connection.
    struct Exchange: Sendable {
        var bytes: [UInt8]
        /// Whether the connection ended with a TCP reset instead of an orderly end.
        var wasReset: Bool

        var text: String { String(decoding: bytes, as: UTF8.self) }
        var status: Int? { text.split(separator: " ").dropFirst().first.flatMap { Int($0) } }
        var body: String { text.range(of: "\r\n\r\n").map { String(text[$0.upperBound...]) } ?? "" }
        /// The body of a reply whose body is no text.
        var bodyBytes: [UInt8] {
            bytes.firstRange(of: Array("\r\n\r\n".utf8)).map { Array(bytes[$0.upperBound...]) } ?? []
        }
        var json: JSONValue { get throws { try JSONParser.parse(Array(body.utf8)) } }

        func header(_ name: String) -> String? {
            text.split(separator: "\r\n").first { $0.lowercased().hasPrefix("\(name.lowercased()):") }
                .map { $0.drop { $0 != ":" }.dropFirst().trimmingPrefix(" ") }.map(String.init)
        }
    }

    func post(
        _ path: String, _ body: JSONValue, authorization: String? = "Bearer token"
    ) async throws -> Exchange {
        try await post(path, text: body.text, authorization: authorization)
    }

    func post(_ path: String, text: String, authorization: String? = "Bearer token") async throws -> Exchange {
        let line = authorization.map { "Authorization: \($0)\r\n" } ?? ""
        return try await exchange(
            "POST \(path) HTTP/1.1\r\nHost: sandbox\r\n\(line)Connection: close\r\n"
                + "Content-Length: \(text.utf8.count)\r\n\r\n\(text)")
    }

    func get(_ path: String, headers: [String] = []) async throws -> Exchange {
        let lines = headers.map { "\($0)\r\n" }.joined()
        return try await exchange("GET \(path) HTTP/1.1\r\nHost: sandbox\r\n\(lines)Connection: close\r\n\r\n")
    }

    /// Sends raw bytes over a new connection and reads until it ends.
    func exchange(_ request: String) async throws -> Exchange {
        try await connect().executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: request))
            var bytes: [UInt8] = []
            do {
                for try await part in inbound { bytes += part.readableBytesView }
            } catch {
                return Exchange(bytes: bytes, wasReset: true)
            }
            return Exchange(bytes: bytes, wasReset: false)
        }
    }

    /// Connects to the sandbox.
    func connect() async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel(wrappingChannelSynchronously: channel) }
            }
    }
}

/// Runs a sandbox for a test and shuts it down gracefully.
///
/// It uses a manual clock unless another is given.
func withSandbox(
    faults: String = "none", settings: SandboxSettings = SandboxSettings(), clock: SandboxClock? = nil,
    test: (RunningSandbox) async throws -> Void
) async throws {
    let manualClock = ManualClock()
    var settings = settings
    settings.clock = clock ?? manualClock.sandboxClock
    settings.faults = try FaultPlan(parsing: faults)
    let (ports, port) = AsyncStream<Int>.makeStream()
    let logger = Logger(label: "sandbox.test") { _ in SwiftLogNoOpLogHandler() }
    let server = SandboxServer(settings: settings, logger: logger) { port.yield($0) }
    let services = ServiceGroup(configuration: .init(services: [server], logger: logger))
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            defer { port.finish() }
            try await services.run()
        }
        for await number in ports {
            do {
                try await test(RunningSandbox(port: number, clock: manualClock))
            } catch {
                await services.triggerGracefulShutdown()
                throw error
            }
            await services.triggerGracefulShutdown()
        }
        try await group.waitForAll()
    }
}
