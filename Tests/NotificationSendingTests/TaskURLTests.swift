import HTTPTesting
import NIOPosix
import NotificationSending
import ProviderCatalog
import Synchronization
import TaskModel
import TaskStore
import TaskTesting
import Testing
import Text
import UpstreamHTTP
import VerbatimJSON

@testable import TaskEngine

/// Sends to addresses that tasks bring.
@Suite(.timeLimit(.minutes(1))) struct TaskURLTests {
    private static let now = ManualTimeSource.start

    /// Sends one notification; returns the outcome and the names that were resolved.
    private func send(
        to url: String, _ policy: TaskURLPolicy, names: [String: [String]] = [:]
    ) async throws -> (outcome: DeliveryQueue.Outcome, lookUps: [String]) {
        let resolver = Resolver(names)
        let programs = ProgramRunner(environment: Current(always: [:]), elapsed: { .zero })
        let sender = Sender(
            agent: "pollux/test", eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            trust: Current(always: .system), programs: programs, lookUp: { resolver.lookUp($0) }, now: { Self.now }
        ) { _, _ in ["type": "task.succeeded"] }
        var task = TrackedTask.task(state: .succeeded)
        task.notify = url
        let notification = TaskNotification(
            id: "epoch-7", type: "task.succeeded", at: Self.now,
            task: TaskWithPayload(task: task, payload: TaskPayload(request: .null)))
        let destination = Destination(name: .taskURLs, target: .taskURLs(policy))
        let outcome = await sender.send(notification, to: destination, at: Self.now)
        try await sender.shutdown()
        return (outcome, resolver.asked)
    }

    private final class Resolver: Sendable {
        private let names: [String: [String]]
        private let state = Mutex<[String]>([])

        init(_ names: [String: [String]]) { self.names = names }

        var asked: [String] { state.withLock { $0 } }

        func lookUp(_ name: String) -> [IPAddress] {
            state.withLock { $0.append(name) }
            return (names[name] ?? []).compactMap { IPAddress($0) }
        }
    }

    @Test func `a name is resolved once, and the request goes to its address, unsigned`() async throws {
        let server = try await RawServer.start { _ in .reply(RawServer.http()) }
        let (outcome, lookUps) = try await send(
            to: "http://LocalHost:\(server.port)/Hook?x=Y", .loopback, names: ["localhost": ["127.0.0.1"]])
        #expect(outcome == .delivered)
        #expect(lookUps == ["localhost"])
        let request = try #require(server.requests.first)
        #expect(request.hasPrefix("POST /Hook?x=Y HTTP/1.1"))
        #expect(request.lowercased().contains("host: localhost:\(server.port)"))
        #expect(request.lowercased().contains("webhook-id: epoch-7"))
        #expect(!request.lowercased().contains("webhook-signature"))
        try await server.stop()
    }

    @Test func `the next address is tried where there is no connection`() async throws {
        let server = try await RawServer.start { _ in .reply(RawServer.http()) }
        // The server listens on 127.0.0.1 alone.
        let (outcome, _) = try await send(
            to: "http://localhost:\(server.port)/", .loopback, names: ["localhost": ["127.0.0.2", "127.0.0.1"]])
        #expect(outcome == .delivered)
        try await server.stop()
    }

    @Test func `an answered request is not sent to another address`() async throws {
        let server = try await RawServer.start { _ in .reply(RawServer.http("500 Oops")) }
        let (outcome, _) = try await send(
            to: "http://localhost:\(server.port)/", .loopback, names: ["localhost": ["127.0.0.1", "127.0.0.1"]])
        guard case .failed(let failure) = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(failure.status == 500)
        #expect(server.requests.count == 1)
        try await server.stop()
    }

    @Test(arguments: [
        ["10.0.0.1"], ["127.0.0.1"], ["1.1.1.1", "192.168.1.1"], ["169.254.169.254"], ["100.64.0.1"], ["::1"],
        ["fd00::1"],
        ["64:ff9b::a00:1"], ["::ffff:10.0.0.1"], ["224.0.0.1"], ["203.0.113.1"], ["5f00::1"],
    ])
    func `a name with an address of an inner network gets nothing, and its event is dead`(addresses: [String])
        async throws
    {
        let (outcome, lookUps) = try await send(
            to: "https://rebinding.example/", .https, names: ["rebinding.example": addresses])
        guard case .rejected(let failure) = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(failure.reason.hasPrefix("the host rebinding.example has a"))
        #expect(lookUps == ["rebinding.example"])
    }

    @Test func `a name without an address is tried again`() async throws {
        let (outcome, _) = try await send(to: "https://nowhere.example/", .https)
        #expect(outcome == .failed(DeliveryFailure(reason: "the host nowhere.example has no address")))
    }

    @Test(arguments: [
        (TaskURLPolicy.https, "http://127.0.0.1:9/"), (.off, "https://example.org/"), (.https, "https://10.0.0.1/"),
    ])
    func `what the settings no longer allow gets nothing`(policy: TaskURLPolicy, url: String) async throws {
        let (outcome, lookUps) = try await send(to: url, policy)
        guard case .rejected = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(lookUps.isEmpty)
    }

    @Test func `a redirect to an inner network is a failure, and is not followed`() async throws {
        let inner = try await RawServer.start { _ in .reply(RawServer.http()) }
        let server = try await RawServer.start { _ in
            .reply(RawServer.http("307 Temporary Redirect", headers: ["Location: \(inner.url)"], body: ""))
        }
        let (outcome, _) = try await send(to: server.url, .loopback)
        #expect(outcome == .failed(DeliveryFailure(status: 307, reason: "it answered 307")))
        #expect(inner.requests.isEmpty)
        try await server.stop()
        try await inner.stop()
    }
}
