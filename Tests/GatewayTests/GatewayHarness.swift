import Gateway
import HTTPTesting
import Logging
import NIOCore
import NIOPosix
import ProviderCatalog
import ServiceLifecycle
import Synchronization
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import UpstreamHTTP
import VerbatimJSON

/// A gateway on a loopback port with an engine whose provider a test scripts. Queued tasks are sent by themselves; polls are
/// not.
struct GatewayHarness: Sendable {
    let world: EngineWorld
    let passing: FakePassing
    let log: LogCollector
    let port: Int
    let token: String

    /// Runs the body with a new gateway and always stops it.
    static func run(
        settings: GatewaySettings = GatewaySettings(), definition: String = EngineWorld.definition,
        _ body: @escaping @Sendable (GatewayHarness) async throws -> Void
    ) async throws {
        let world = try await EngineWorld(definition: definition)
        let token = try await world.engine.gateway.tokens.add("notebook")
        let (passing, log) = (FakePassing(), LogCollector())
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        // One thread, so that what one connection sees happens before what a later one sees.
        let threads = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = try Gateway.server(
            service: world.engine.gateway, passing: passing, settings: Current(always: settings),
            at: .address(host: "127.0.0.1", port: 0, identity: nil), time: world.time, eventLoopGroup: threads,
            logger: Logger(label: "test") { _ in log }
        ) { port.yield($0 ?? 0) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            group.addTask { try await world.engine.submitter.run() }
            var found = ports.makeAsyncIterator()
            let harness = GatewayHarness(
                world: world, passing: passing, log: log, port: try #require(await found.next()), token: token)
            let outcome: Result<Void, any Error>
            do { outcome = .success(try await body(harness)) } catch { outcome = .failure(error) }
            group.cancelAll()
            while await group.nextResult() != nil {}
            try outcome.get()
        }
        try await threads.shutdownGracefully()
    }

    /// The text of a request.
    func request(
        _ method: String, _ path: String, _ body: String = "", headers: [String] = [], token: String? = nil,
        type: String = "application/json", closes: Bool = true
    ) -> String {
        var lines = ["\(method) \(path) HTTP/1.1", "Host: 127.0.0.1:\(port)"]
        if let token = token ?? (headers.contains { $0.hasPrefix("Authorization") } ? nil : self.token) {
            lines.append("Authorization: Bearer \(token)")
        }
        if !body.isEmpty { lines += ["Content-Type: \(type)", "Content-Length: \(body.utf8.count)"] }
        if closes { lines.append("Connection: close") }
        return (lines + headers).joined(separator: "\r\n") + "\r\n\r\n" + body
    }

    /// Sends a text and reads until the other side closes.
    func exchange(_ text: String) async throws -> Reply {
        var received = ""
        try await RawClient.with(port: port) { client in
            try await client.send(text)
            received = try await client.readToEnd()
        }
        return Reply(received)
    }

    /// Makes a request on a connection of its own.
    func ask(
        _ method: String, _ path: String, _ body: String = "", headers: [String] = [],
        type: String = "application/json"
    ) async throws -> Reply {
        try await exchange(request(method, path, body, headers: headers, type: type))
    }

    /// Submits a picture in the asynchronous form.
    func submit(_ prompt: String = "a cat", headers: [String] = []) async throws -> Reply {
        try await ask("POST", "/testing/image/make", Self.body(prompt), headers: headers)
    }

    static func body(_ prompt: String) -> String { #"{"prompt":"\#(prompt)","async":true}"# }

    /// Polls a task.
    func poll(_ id: String) async throws -> Reply {
        try await ask("POST", "/testing/image/tasks", #"{"action":"retrieve","id":"\#(id)"}"#)
    }

    /// The stored tasks, newest first.
    func tasks() async throws -> [TrackedTask] {
        try await world.sqlite.tasks(matching: TaskFilter(), after: nil, limit: 100).tasks.map(\.task)
    }
}

typealias Reply = RawReply

extension RawReply {
    var json: JSONValue { (try? JSONValue(parsing: body)) ?? .null }
    var task: String? { headers["pollux-task"] }
}

/// A gate that a scripted provider waits at.
final class Gate: Sendable {
    private let (arrivals, arrival) = AsyncStream.makeStream(of: Void.self)
    private let (openings, opening) = AsyncStream.makeStream(of: Void.self)

    /// Waits until the gate is open.
    func pass() async {
        arrival.yield()
        for await _ in openings { return }
    }

    /// Returns once that many have arrived.
    func arrived(_ count: Int = 1) async {
        var left = count
        for await _ in arrivals {
            left -= 1
            if left == 0 { return }
        }
    }

    /// Opens the gate for all.
    func open() { opening.finish() }
}

/// What a request that passed through looked like, and a fixed reply.
final class FakePassing: PassingTransport {
    private let state = Mutex<[(request: PassedRequest, body: [UInt8], account: ProviderAccount)]>([])
    /// What happens before the head and before the last part of a reply.
    private let delays = Mutex<(head: (@Sendable () async -> Void)?, last: (@Sendable () async -> Void)?)>((nil, nil))

    /// Runs these before the head and before the last part of each reply.
    func delay(head: (@Sendable () async -> Void)? = nil, last: (@Sendable () async -> Void)? = nil) {
        delays.withLock { $0 = (head, last) }
    }

    var passed: [(request: PassedRequest, body: [UInt8], account: ProviderAccount)] { state.withLock { $0 } }

    func pass<Body: AsyncSequence & Sendable>(
        _ request: PassedRequest, body: Body?, by account: ProviderAccount
    ) async throws(UpstreamTransportError) -> PassedReply where Body.Element == ByteBuffer {
        var bytes: [UInt8] = []
        do {
            if let body { for try await part in body { bytes += part.readableBytesView } }
        } catch {
            throw .interrupted("the body broke off")
        }
        state.withLock { $0.append((request, bytes, account)) }
        let (head, last) = delays.withLock { $0 }
        await head?()
        if Task.isCancelled { throw .cancelled }
        let (parts, part) = AsyncThrowingStream<ByteBuffer, any Error>.makeStream()
        part.yield(ByteBuffer(string: "passed"))
        let ending = Task {
            await last?()
            part.yield(ByteBuffer(string: " on"))
            part.finish()
        }
        part.onTermination = { _ in ending.cancel() }
        return PassedReply(
            status: 203, headers: [("Content-Type", "text/plain"), ("Connection", "x-secret"), ("x-secret", "1")],
            body: parts)
    }
}

/// Collects log lines.
struct LogCollector: LogHandler {
    private final class Lines: Sendable {
        let all = Mutex<[String]>([])
    }

    private let lines = Lines()
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace
    var text: String { lines.all.withLock { $0.joined(separator: "\n") } }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { lines.all.withLock { $0.append("\(event.message)") } }
}
