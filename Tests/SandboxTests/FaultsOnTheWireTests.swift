import Foundation
import NIOCore
import Testing

@testable import Sandbox

/// Tests each fault byte by byte over a real loopback socket.
@Suite struct FaultsOnTheWireTests {
    private static let body: JSONValue = ["prompt": "a cat", "async": true]

    private func billed(_ sandbox: RunningSandbox) async throws -> Double? {
        try await sandbox.get("/sandbox/ledger").json["billed"]?.doubleValue
    }

    private func reply(_ sandbox: RunningSandbox) async throws -> JSONValue? {
        try await sandbox.get("/sandbox/ledger").json["entries"]?.arrayValue?.last?["reply"]
    }

    // MARK: Accepted, and billed

    @Test func `a lost reply is billed and sends no byte`() async throws {
        try await withSandbox(faults: "lost-reply@1") { (sandbox: RunningSandbox) async throws in
            let lost = try await sandbox.post("/veo/videos", Self.body)
            #expect(lost.bytes == [])
            #expect(try await billed(sandbox) == 1)
            #expect(try await reply(sandbox) == "lost")
            #expect(try await sandbox.post("/veo/videos", Self.body).status == 200)
        }
    }

    @Test func `a reset reply is billed and ends in the middle of its body`() async throws {
        try await withSandbox(faults: "reset-reply@1") { sandbox in
            let broken = try await sandbox.post("/veo/videos", Self.body)
            #expect(broken.status == 200)
            let promised = try #require(broken.header("content-length").flatMap { Int($0) })
            #expect(broken.body.utf8.count == promised / 2)
            #expect(broken.body.hasPrefix(#"{"task_id":"#))
            #expect(broken.wasReset)
            #expect(try await billed(sandbox) == 1)
            #expect(try await reply(sandbox) == "reset")
        }
    }

    @Test func `a gateway error may hide an accepted task or none at all`() async throws {
        try await withSandbox(faults: "502-before@1,502-after@2") { sandbox in
            let before = try await sandbox.post("/veo/videos", Self.body)
            #expect(try await billed(sandbox) == 0)
            let after = try await sandbox.post("/veo/videos", Self.body)
            #expect(try await billed(sandbox) == 1)
            #expect(before.status == 502 && after.status == 502)
            #expect(before.body == after.body && before.body.hasPrefix("<html>"))
            #expect(try await reply(sandbox) == "502")
        }
    }

    @Test func `a hanging submit may be billed and ends without a byte after its duration`() async throws {
        try await withSandbox(faults: "hang@1,hang-before@2:30s") { (sandbox: RunningSandbox) async throws in
            #expect(try await sandbox.post("/veo/videos", Self.body).bytes == [])
            #expect(sandbox.clock.now == .start + 600)
            #expect(try await billed(sandbox) == 1)
            #expect(try await reply(sandbox) == "hang")
            #expect(try await sandbox.post("/veo/videos", Self.body).bytes == [])
            #expect(sandbox.clock.now == .start + 630)
            #expect(try await billed(sandbox) == 1)
        }
    }

    @Test(.timeLimit(.minutes(5))) func `a hanging request ends when its client leaves`() async throws {
        let (left, leave) = AsyncStream<Void>.makeStream()
        let clock = SandboxClock.endless(onWake: { leave.yield() })
        try await withSandbox(faults: "hang@1", clock: clock) { sandbox in
            let request =
                "POST /veo/videos HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer t\r\nContent-Length: 14\r\n\r\n"
            try await sandbox.connect().executeThenClose { _, outbound in
                try await outbound.write(ByteBuffer(string: request + #"{"prompt":"a"}"#))
            }
            for await _ in left { break }
        }
    }

    @Test(.timeLimit(.minutes(5))) func `shutting down ends a hanging request`() async throws {
        try await withThrowingTaskGroup(of: RunningSandbox.Exchange.self) { group in
            let (asleep, fallAsleep) = AsyncStream<Void>.makeStream()
            let clock = SandboxClock.endless(onSleep: { fallAsleep.yield() })
            try await withSandbox(faults: "hang@1", clock: clock) { sandbox in
                group.addTask { try await sandbox.post("/veo/videos", Self.body) }
                for await _ in asleep { break }
            }
            #expect(try await group.next()?.bytes == [])
        }
    }

    @Test func `a late record may add to a lost reply`() async throws {
        try await withSandbox(faults: "late-record@1:3s,lost-reply@1") { (sandbox: RunningSandbox) async throws in
            #expect(try await sandbox.post("/veo/videos", Self.body).bytes == [])
            let list: JSONValue = ["action": "retrieve_batch", "limit": 5]
            #expect(try await sandbox.post("/veo/tasks", list).json["count"] == 0)
            sandbox.clock.advance(by: 3)
            #expect(try await sandbox.post("/veo/tasks", list).json["count"] == 1)
        }
    }

    // MARK: Not accepted

    @Test(arguments: [
        ("429", 429, "too_many_requests", String?.none), ("429-retry-after", 429, "too_many_requests", "2"),
        ("500-error-object", 500, "api_error", nil), ("busy", 500, "busy", nil),
    ])
    func `a rejected submit has an error and is not billed`(
        fault: String, status: Int, code: String, retryAfter: String?
    ) async throws {
        try await withSandbox(faults: "\(fault)@1") { sandbox in
            let refused = try await sandbox.post("/veo/videos", Self.body)
            #expect(refused.status == status)
            #expect(try refused.json["error"]?["code"] == .string(code))
            #expect(refused.header("retry-after") == retryAfter)
            #expect(try await billed(sandbox) == 0)
        }
    }

    // MARK: Polls

    @Test func `poll faults use the number of the poll`() async throws {
        let faults =
            "poll-500@1,poll-502@2,poll-429@3,poll-429-retry-after@4:1500ms,poll-lost@5,poll-reset@6,poll-hang@7"
        try await withSandbox(faults: faults) { sandbox in
            let id = try #require(try await sandbox.post("/veo/videos", Self.body).json["task_id"])
            let poll = { try await sandbox.post("/veo/tasks", ["id": id]) }
            #expect(try await poll().json["error"]?["code"] == "api_error")
            #expect(try await poll().status == 502)
            #expect(try await poll().status == 429)
            #expect(try await poll().header("retry-after") == "2")
            #expect(try await poll().bytes == [])
            let broken = try await poll()
            #expect(broken.status == 200 && broken.wasReset)
            #expect(try await poll().bytes == [])
            #expect(try await poll().json["id"] == id)
            #expect(try await sandbox.get("/sandbox/ledger").json["polls_received"] == 8)
        }
    }
}

extension SandboxClock {
    /// A clock whose sleep ends only by cancellation.
    fileprivate static func endless(
        onSleep: @escaping @Sendable () -> Void = {}, onWake: @escaping @Sendable () -> Void = {}
    ) -> SandboxClock {
        SandboxClock(now: { .start }) { _ in
            onSleep()
            defer { onWake() }
            for await _ in AsyncStream<Void>.makeStream().stream {}
            throw CancellationError()
        }
    }
}
