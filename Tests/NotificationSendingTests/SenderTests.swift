import Foundation
import HTTPTesting
import NIOPosix
import NotificationSending
import ProviderCatalog
import TaskModel
import TaskStore
import TaskTesting
import Testing
import Text
import UpstreamHTTP
import VerbatimJSON

@testable import TaskEngine

/// Sends to receivers on this machine.
@Suite struct SenderTests {
    private static let now = ManualTimeSource.start

    private func with(_ body: (Sender) async throws -> Void) async throws {
        let programs = ProgramRunner(
            environment: Current(always: ["PATH": "/usr/bin:/bin", "HOME": "/"]), elapsed: { .zero })
        let sender = Sender(
            agent: "pollux/test", eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            trust: Current(always: .system), programs: programs, now: { Self.now }
        ) { notification, parts in
            [
                "type": .string(notification.type),
                "data": [
                    "task": .object(JSONObject([("id", .string(notification.task?.task.id.text ?? ""))])),
                    "parts": .array(parts.map { .string($0.rawValue) }),
                ],
            ]
        }
        try await body(sender)
        try await sender.shutdown()
    }

    private var notification: TaskNotification {
        TaskNotification(
            id: "epoch-7", type: "task.succeeded", at: Self.now,
            task: TaskWithPayload(
                task: .task(state: .succeeded, labels: ["film no": "dawn", "a": "b"]),
                payload: TaskPayload(request: ["prompt": "a cat"])))
    }

    private func destination(_ target: Destination.Target) throws -> Destination {
        Destination(name: try #require(DestinationName("backend")), target: target)
    }

    /// What becomes of one notification to a server that answers so.
    private func outcome(_ action: RawServer.Action) async throws -> DeliveryQueue.Outcome? {
        let server = try await RawServer.start { _ in action }
        let box = Box()
        try await with { sender in
            box.outcome = await sender.send(
                notification, to: try destination(.url(server.url)), at: Self.now)
        }
        try await server.stop()
        return box.outcome
    }

    private final class Box {
        var outcome: DeliveryQueue.Outcome?
    }

    @Test func `a receiver gets the body, its id and its signatures`() async throws {
        let server = try await RawServer.start { _ in .reply(RawServer.http("204 No Content", body: "")) }
        try await with { sender in
            var destination = try destination(.url(server.url))
            destination.secrets = [[UInt8](repeating: 7, count: 32)]
            #expect(await sender.send(notification, to: destination, at: Self.now) == .delivered)
        }
        let request = try #require(server.requests.first)
        #expect(request.hasPrefix("POST /v1 HTTP/1.1"))
        let lines = request.lowercased().split(separator: "\r\n")
        for line in [
            "content-type: application/json", "user-agent: pollux/test", "webhook-id: epoch-7",
            "webhook-timestamp: 1795000000",
        ] { #expect(lines.contains { $0 == line }, "\(line)") }
        #expect(lines.contains { $0.hasPrefix("webhook-signature: v1,") })
        #expect(request.contains(#""type":"task.succeeded""#))
        try await server.stop()
    }

    @Test func `connections are used again`() async throws {
        let server = try await RawServer.start { _ in .reply(RawServer.http()) }
        try await with { sender in
            let destination = try destination(.url(server.url))
            for _ in 1...3 { #expect(await sender.send(notification, to: destination, at: Self.now) == .delivered) }
        }
        #expect(server.requests.count == 3)
        #expect(server.connections == 1)
        try await server.stop()
    }

    @Test func `a redirect is a failure, and is not followed`() async throws {
        let other = try await RawServer.start { _ in .reply(RawServer.http()) }
        let outcome = try await outcome(
            .reply(RawServer.http("302 Found", headers: ["Location: \(other.url)"], body: "")))
        #expect(outcome == .failed(DeliveryFailure(status: 302, reason: "it answered 302")))
        #expect(other.requests.isEmpty)
        try await other.stop()
    }

    @Test func `410 stops, Retry-After is passed on, and the beginning of the answer is kept`() async throws {
        let gone = try await outcome(.reply(RawServer.http("410 Gone", body: "no more")))
        #expect(gone == .gone(DeliveryFailure(status: 410, reason: "it answered 410", answer: "no more")))
        let later = try await outcome(
            .reply(RawServer.http("429 Too Many Requests", headers: ["Retry-After: 90"], body: "later")))
        #expect(
            later
                == .failed(
                    DeliveryFailure(status: 429, reason: "it answered 429", answer: "later", retryAfter: .seconds(90))))
        let long = try await outcome(.reply(RawServer.http("500 Oops", body: String(repeating: "x", count: 5_000))))
        guard case .failed(let failure) = long else { return #expect(Bool(false), "\(String(describing: long))") }
        #expect(failure.answer == String(repeating: "x", count: 1_024))
    }

    @Test func `a 2xx counts although its body does not end`() async throws {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
        #expect(try await outcome(.reply(head)) == .delivered)
    }

    @Test func `a receiver that is not there or hangs up is a failure`() async throws {
        let closed = try await outcome(.close)
        guard case .failed(let failure) = closed else { return #expect(Bool(false), "\(String(describing: closed))") }
        #expect(failure.status == nil)
        let server = try await RawServer.start { _ in .close }
        let url = server.url
        try await server.stop()
        try await with { sender in
            let refused = await sender.send(notification, to: try destination(.url(url)), at: Self.now)
            #expect(refused == .failed(DeliveryFailure(reason: "no connection: Connection refused")))
        }
    }

    @Test func `a socket without a receiver is a failure`() async throws {
        let directory = try TemporaryDirectory()
        try await with { sender in
            let outcome = await sender.send(
                notification, to: try destination(.socket(directory.file("no.sock"))), at: Self.now)
            guard case .failed(let failure) = outcome else { return #expect(Bool(false), "\(outcome)") }
            #expect(failure.reason == "no connection: No such file or directory")
        }
    }

    @Test func `a program gets the task on its input and what it is about in its environment`() async throws {
        let directory = try TemporaryDirectory()
        let file = directory.file("out")
        try await with { sender in
            let script =
                "{ cat; echo; echo $POLLUX_TASK_ID $POLLUX_STATE $POLLUX_ENDPOINT $POLLUX_EVENT; "
                + "echo $POLLUX_LABEL_FILM_NO $POLLUX_LABEL_A; } > \(file)"
            let outcome = await sender.send(
                notification, to: try destination(.program(["/bin/sh", "-c", script])), at: Self.now)
            #expect(outcome == .delivered)
        }
        let id = TrackedTask.task(state: .succeeded).id
        let output = String(decoding: try Data(contentsOf: URL(filePath: file)), as: UTF8.self)
        #expect(output == "{\"id\":\"\(id)\"}\n\(id) succeeded image/make task.succeeded\ndawn b\n")
    }
}
