import CallbackAPI
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import ProviderCatalog
import ServiceLifecycle
import Synchronization
import TaskEngine
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

/// A real listener on a loopback port, with an engine behind it.
struct Listener: Sendable {
    let world: EngineWorld
    let port: Int
    let usesTLS: Bool

    /// Creates a running task and returns its callback path.
    func running() async throws -> (TaskID, path: String) {
        world.provider.enqueue(.accepted("r-1"))
        return try await submitted()
    }

    /// Creates a task with a lost reply and returns its callback path.
    func lost() async throws -> (TaskID, path: String) {
        world.provider.enqueue(.interrupted("reset"))
        return try await submitted()
    }

    private func submitted() async throws -> (TaskID, path: String) {
        let id = try await world.submit()
        _ = try await world.engine.submitter.step()
        let url = try #require(world.provider.paid.last?.body["callback_url"]?.string)
        return (id, String(url.dropFirst("https://pollux.example".count)))
    }

    /// Sends a text and returns everything received until the other side closes.
    func exchange(_ text: String) async throws -> String { try await exchange(Array(text.utf8)) }

    /// Sends bytes and returns everything received until the other side closes.
    func exchange(_ bytes: [UInt8]) async throws -> String {
        let answer = try await open()
        do {
            try await answer.channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
        } catch ChannelError.ioOnClosedChannel {
            // On a busy machine the connection may expire before the write. The received bytes show the result.
        }
        return try await answer.text.get()
    }

    /// Posts the body to the path and returns the status.
    func post(
        _ path: String, _ body: String, headers: String = "", method: String = "POST"
    ) async throws -> Int {
        try await post(path, Array(body.utf8), headers: headers, method: method)
    }

    /// Posts bytes to the path and returns the status.
    func post(
        _ path: String, _ body: [UInt8], headers: String = "", method: String = "POST"
    ) async throws -> Int {
        let head = "\(method) \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.count)\r\n\(headers)\r\n"
        return Self.status(of: try await exchange(Array(head.utf8) + body))
    }

    /// Whether one of many POSTs gets a 200. Used when the server must first notice something.
    func isServedInTheEnd(_ path: String) async -> Bool {
        for _ in 0..<50 where (try? await post(path, "{}")) == 200 { return true }
        return false
    }

    static func status(of answer: String) -> Int {
        answer.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    }

    /// Opens a connection without sending anything.
    func open() async throws -> Conversation {
        let usesTLS = usesTLS
        let conversation = Conversation.Collector()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if usesTLS {
                        var configuration = TLSConfiguration.makeClientConfiguration()
                        configuration.certificateVerification = .none
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(
                                context: NIOSSLContext(configuration: configuration), serverHostname: "localhost"))
                    }
                    try channel.pipeline.syncOperations.addHandler(Conversation.Reader(collector: conversation))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        let promise = channel.eventLoop.makePromise(of: String.self)
        channel.closeFuture.whenComplete { _ in promise.succeed(conversation.text) }
        return Conversation(channel: channel, text: promise.futureResult, collector: conversation)
    }
}

/// A connection and everything that it receives.
struct Conversation: Sendable {
    let channel: any Channel
    let text: EventLoopFuture<String>
    let collector: Collector

    /// Returns once the other side has sent that text.
    func said(_ words: String) async { await collector.has(words) }

    /// Collects received bytes.
    final class Collector: Sendable {
        private let gathered = Mutex("")
        private let (arrivals, arrival) = AsyncStream.makeStream(of: Void.self)
        var text: String { gathered.withLock { $0 } }

        func add(_ buffer: ByteBuffer) {
            gathered.withLock { $0 += String(buffer: buffer) }
            arrival.yield()
        }

        /// Returns once that text has been received.
        func has(_ words: String) async {
            for await _ in arrivals where text.contains(words) { return }
        }
    }

    /// Passes received bytes to the collector and closes after the other side.
    final class Reader: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let collector: Collector

        init(collector: Collector) {
            self.collector = collector
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) { collector.add(unwrapInboundIn(data)) }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}

/// Runs the body with a new listener and always stops it.
func withListener(
    limits: CallbackLimits = CallbackLimits(), identity: CallbackAPI.Identity? = nil,
    definition: String = EngineWorld.definition, secrets: [ProviderName: String] = [:],
    publicURL: String = "https://pollux.example",
    _ body: @escaping @Sendable (Listener) async throws -> Void
) async throws {
    let world = try await EngineWorld(
        definition: definition, callbacksAt: publicURL, callbackSecrets: secrets)
    let (ports, port) = AsyncStream.makeStream(of: Int.self)
    let server = try CallbackAPI.server(
        receiver: world.engine.callbacks, host: "127.0.0.1", port: 0, identity: identity, limits: limits,
        time: world.time,
        eventLoopGroup: .testing,
        logger: .silent
    ) { port.yield($0) }
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        var found = ports.makeAsyncIterator()
        let listener = Listener(
            world: world, port: try #require(await found.next()), usesTLS: identity != nil)
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await body(listener)) } catch { outcome = .failure(error) }
        group.cancelAll()
        while await group.nextResult() != nil {}
        try outcome.get()
    }
}

extension EventLoopGroup where Self == MultiThreadedEventLoopGroup {
    /// The event loop group of the tests.
    static var testing: MultiThreadedEventLoopGroup { .singleton }
}

extension Logger {
    /// A logger without output.
    static var silent: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}
