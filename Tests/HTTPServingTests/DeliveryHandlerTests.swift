import Foundation
import Glibc
import HTTPServing
import HTTPTesting
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(5))) struct DeliveryHandlerTests {
    private struct Context: RequestContext {
        var coreContext: CoreRequestContextStorage
        let channel: any Channel

        init(source: ApplicationRequestContextSource) {
            coreContext = CoreRequestContextStorage(source: source)
            channel = source.channel
        }
    }

    private final class Fates: Sendable {
        private let all = Mutex<[Bool]>([])
        var value: [Bool] { all.withLock { $0 } }
        func add(_ fate: Bool) { all.withLock { $0.append(fate) } }
    }

    /// Sends the text, waits until there is something to read, and closes the connection.
    private static func closeUnread(_ path: String, after text: String) throws {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        #expect(isConnected && send(descriptor, text, text.utf8.count, 0) == text.utf8.count)
        var state = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        #expect(poll(&state, 1, 60_000) == 1)
    }

    /// What became of a body with these parts, for that client; nil is one that reads nothing. `isLate` keeps the end of the response back until it is known.
    private func fates(
        of parts: [String], length: Int? = nil, isLate: Bool = false, hasHandler: Bool = true,
        patience: TimeAmount = .hours(1), closes: Bool = false, _ request: String = "GET /file",
        for client: (@Sendable (RawClient) async throws -> Void)?
    ) async throws -> [Bool] {
        let fates = Fates()
        let length = length ?? parts.joined().utf8.count
        let router = Router(context: Context.self, options: .autoGenerateHeadEndpoints)
        router.get("file") { _, context in
            DeliveryHandler.track(over: context.channel, patience: patience, onFate: { fates.add($0) })
            return Response(
                status: .ok,
                body: ResponseBody(contentLength: length) { writer in
                    for part in parts { try await writer.write(ByteBuffer(string: part)) }
                    while isLate, fates.value.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
                    try await writer.finish(nil)
                })
        }
        router.get("next") { _, _ in "next" }
        // Only of such a socket does the system tell at once that the other side is gone.
        let path = FileManager.default.temporaryDirectory.appending(path: "pollux-\(UUID().uuidString.prefix(8)).sock")
            .path()
        let (started, starting) = AsyncStream<Void>.makeStream()
        let app = Application(
            router: router,
            server: HTTPServerBuilder {
                ContinuingHTTP1Channel(
                    responder: $0,
                    configuration: .init(
                        additionalChannelHandlers: hasHandler ? [DeliveryHandler()] : []))
            }, configuration: ApplicationConfiguration(address: .unixDomainSocket(path: path)),
            onServerRunning: { _ in starting.finish() }, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        let text = "\(request) HTTP/1.1\r\nHost: x\r\n\(closes ? "Connection: close\r\n" : "")\r\n"
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await app.run() }
            for await _ in started {}
            if let client {
                try await RawClient.with(socketPath: path) { raw in
                    try await raw.send(text)
                    try await client(raw)
                }
            } else {
                try Self.closeUnread(path, after: text)
            }
            while fates.value.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
            group.cancelAll()
        }
        return fates.value
    }

    @Test(
        arguments: [["a fox and a hare"], ["a fox", "", " and", " a hare"], ["a fox and a har", "e"]], [false, true])
    func `a program that closes after the last byte has the reply`(parts: [String], isLate: Bool) async throws {
        let fates = try await fates(of: parts, isLate: isLate) { client in
            let text = try await client.read(until: "hare")
            #expect(text.hasSuffix("\r\n\r\na fox and a hare"))
        }
        #expect(fates == [true])
    }

    @Test func `a program that makes a next request has the reply`() async throws {
        let fates = try await fates(of: ["a fox"]) { client in
            _ = try await client.read(until: "a fox")
            try await client.send("GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = try await client.read(until: "next")
        }
        #expect(fates == [true])
    }

    @Test func `a program that keeps its connection has the reply after some time`() async throws {
        let waited = Fates()
        let fates = try await fates(of: ["a fox"], patience: .milliseconds(50)) { client in
            _ = try await client.read(until: "a fox")
            try await Task.sleep(for: .milliseconds(500))
            waited.add(true)
        }
        #expect(fates == [true] && waited.value == [true])
    }

    @Test func `a program that has the connection closed has the reply once it has read it`() async throws {
        let fates = try await fates(of: ["a fox"], closes: true) { client in
            let text = try await client.readToEnd()
            #expect(text.hasSuffix("\r\n\r\na fox"))
        }
        #expect(fates == [true])
    }

    /// Less and more than the buffers of both ends, on a connection that stays open and on one that the response ends.
    @Test(arguments: [1, 64], [false, true])
    func `a program that closes without reading does not have the reply`(parts: Int, closes: Bool) async throws {
        let part = String(repeating: "x", count: parts == 1 ? 4_000 : 1 << 20)
        #expect(try await fates(of: Array(repeating: part, count: parts), closes: closes, for: nil) == [false])
    }

    @Test func `a body that is shorter than its length is not delivered`() async throws {
        #expect(try await fates(of: ["a fox"], length: 6) { _ = try await $0.read(until: "fox") } == [false])
    }

    @Test func `the head of a file is not the file`() async throws {
        let fates = try await fates(of: ["a fox"], "HEAD /file") { _ = try await $0.read(until: "\r\n\r\n") }
        #expect(fates == [false])
    }

    @Test func `without the handler nothing counts as delivered`() async throws {
        #expect(try await fates(of: ["a fox"], hasHandler: false) { _ = try await $0.read(until: "a fox") } == [false])
    }
}
