import Foundation
import HTTPTesting
import HTTPTypes
import HTTPServing
import Hummingbird
import Logging
import NIOCore
import NIOEmbedded
import ServiceLifecycle
import Testing

@testable import LocalAPI

@Suite(.timeLimit(.minutes(5))) struct ConnectionWatchTests {
    private struct Context: RequestContext {
        var coreContext: CoreRequestContextStorage
        let channel: any Channel

        init(source: ApplicationRequestContextSource) {
            coreContext = CoreRequestContextStorage(source: source)
            channel = source.channel
        }
    }

    private func serve(
        _ wait: @escaping @Sendable () async -> Void, _ body: (_ path: String) async throws -> Void
    ) async throws {
        let router = Router(context: Context.self)
        router.get("wait") { _, context in
            let watch = try #require(ConnectionWatch.of(context.channel))
            try await watch.whileConnected { await wait() }
            return "\(ObjectIdentifier(watch)) has \(watch.waiting)!"
        }
        let path = FileManager.default.temporaryDirectory.appending(path: "w-\(UUID().uuidString.prefix(8))").path
        let (running, isRunning) = AsyncStream<Void>.makeStream()
        let app = Application(
            router: router, server: LocalAPI.http.server,
            configuration: ApplicationConfiguration(address: .unixDomainSocket(path: path)),
            onServerRunning: { _ in isRunning.finish() })
        let services = ServiceGroup(services: [app], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await services.run() }
            for await _ in running {}
            try await body(path)
            await services.triggerGracefulShutdown()
        }
    }

    private static let question = "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"

    @Test func `a connection has one watch, which removes finished waits`() async throws {
        try await serve {
        } _: { path in
            try await RawClient.with(socketPath: path) { client in
                var answers: Set<Substring> = []
                for _ in 0..<20 {
                    try await client.send(Self.question)
                    answers.insert(try await client.read(until: "!").split(separator: "\r\n").last ?? "")
                }
                #expect(answers.count == 1)
                #expect(answers.first?.hasSuffix("has 0!") == true)
            }
        }
    }

    @Test func `a wait ends when its client disconnects`() async throws {
        let (begun, began) = AsyncStream<Void>.makeStream()
        let (ended, end) = AsyncStream<Bool>.makeStream()
        let (never, _) = AsyncStream<Void>.makeStream()
        try await serve {
            began.yield()
            for await _ in never {}
            end.yield(Task.isCancelled)
        } _: { path in
            try await RawClient.with(socketPath: path) { client in
                try await client.send(Self.question)
                for await _ in begun { break }
            }
            for await wasCancelled in ended {
                #expect(wasCancelled)
                break
            }
        }
    }

    @Test func `a wait on a closed connection ends at once`() async throws {
        let channel = NIOAsyncTestingChannel()
        try await channel.close()
        let watch = try #require(try await channel.testingEventLoop.executeInContext { ConnectionWatch.of(channel) })
        let (never, _) = AsyncStream<Void>.makeStream()
        let wasCancelled = try await watch.whileConnected {
            for await _ in never {}
            return Task.isCancelled
        }
        #expect(wasCancelled)
        #expect(watch.waiting == 0)
    }

    @Test func `a wait continues when its client only closes its write side`() async throws {
        let (goOn, going) = AsyncStream<Void>.makeStream()
        try await serve {
            for await _ in goOn { break }
        } _: { path in
            try await RawClient.with(socketPath: path) { client in
                try await client.send(Self.question)
                client.finishWriting()
                going.yield()
                #expect(try await client.read(until: "!").hasPrefix("HTTP/1.1 200 OK"))
            }
        }
    }
}
