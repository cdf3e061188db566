import BoundedMemory
import HTTPTesting
import ProviderCatalog
import Synchronization
import TaskModel
import TaskTesting
import Testing
import UpstreamHTTP

@Suite(.timeLimit(.minutes(5))) struct UpstreamHTTPTests: UpstreamHTTPFixture {
    @Test func `a request that was made for another base URL is not sent`() async throws {
        let calls = Mutex(0)
        let server = try await RawServer.start { _ in
            calls.withLock { $0 += 1 }
            return .replyAndClose("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        }
        let address = "http://127.0.0.1:\(server.port)"
        try await with(address) { transport in
            var request = submission
            request.baseURL = "http://127.0.0.1:1/v1"
            await #expect(throws: UpstreamTransportError.outdated) {
                try await transport.send(request, by: "testing", isPaid: true, timeout: .seconds(20))
            }
            await #expect(throws: UpstreamTransportError.outdated) {
                try await transport.send(request, by: "gone", isPaid: true, timeout: .seconds(20))
            }
            #expect(calls.withLock { $0 } == 0)
            request.baseURL = address
            _ = try await transport.send(request, by: "testing", isPaid: true, timeout: .seconds(20))
            #expect(calls.withLock { $0 } == 1)
        }
    }

    @Test func `a permit that ends while the connection is opened keeps the body back`() async throws {
        let calls = Mutex(0)
        let server = try await RawServer.start { _ in
            calls.withLock { $0 += 1 }
            return .replyAndClose("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        }
        try await with(server.url) { transport in
            let checks = Mutex(0)
            var request = submission
            request.permit = SendPermit {
                checks.withLock { $0 += 1 }
                return false
            }
            await #expect(throws: UpstreamTransportError.leaseExpired) {
                try await transport.send(request, by: "testing", isPaid: true, timeout: .seconds(20))
            }
            #expect(checks.withLock { $0 } == 1)
            // A request without its body is not complete.
            #expect(calls.withLock { $0 } == 0)
            request.permit = SendPermit()
            _ = try await transport.send(request, by: "testing", isPaid: true, timeout: .seconds(20))
            #expect(calls.withLock { $0 } == 1)
        }
    }

    @Test func `a failed handshake is reported with its reason and without source file names`() async throws {
        let server = try await RawServer.start { _ in .replyAndClose("HTTP/1.1 400 X\r\n\r\n") }
        let result = try await with("https://127.0.0.1:\(server.port)") { await send($0) }
        guard case .failure(.notSent(let words)) = result else {
            Issue.record("\(result)")
            return
        }
        #expect(words == "TLS failed: wrong version number")
    }

    // MARK: Memory for replies

    @Test(arguments: [true, false])
    func `a large reply is complete and holds its memory until it is released`(isPaid: Bool) async throws {
        // Not a power of two, so that swapped parts are noticed.
        let body = String(String(repeating: "0123456789abcdef_", count: 200_000).prefix(3 << 20))
        let server = try await RawServer.start { _ in .reply(RawServer.http(body: body)) }
        let budget = ByteBudget(capacity: 64 << 20)
        do {
            let reply = try await with(server.url, maxReplyBytes: 4 << 20, memory: ReplyMemory(budget: budget)) {
                await send($0, isPaid: isPaid)
            }.get()
            let isWhole = reply.body.elementsEqual(body.utf8)
            #expect(isWhole)
            #expect(budget.used == 3 << 20)
            withExtendedLifetime(reply) {}
        }
        #expect(budget.used == 0)
        try await server.stop()
    }

    @Test(arguments: [true, false], [100, 3 << 20])
    func `a reply without memory waits and is not rejected`(isPaid: Bool, size: Int) async throws {
        let body = String(repeating: "x", count: size)
        let server = try await RawServer.start { _ in .reply(RawServer.http(body: body)) }
        let budget = ByteBudget(capacity: 64 << 20)
        let all = try #require(budget.reserve(64 << 20))
        let reply = try await with(server.url, maxReplyBytes: 4 << 20, memory: ReplyMemory(budget: budget)) {
            transport in
            async let reply = send(transport, isPaid: isPaid)
            // A small paid reply uses the memory that was reserved before the request.
            if isPaid && size == 100 { return try await reply.get() }
            while server.requests.isEmpty { await Task.yield() }
            #expect(budget.used == 64 << 20)
            all.release()
            return try await reply.get()
        }
        #expect(reply.body.count == size)
        try await server.stop()
    }

    @Test func `paid requests leave reserved memory to queries`() async throws {
        let budget = ByteBudget(capacity: 64 << 20)
        try await with("http://127.0.0.1:1", memory: ReplyMemory(budget: budget)) { transport in
            var rooms: [ReplyRoom] = []
            while let room = transport.roomForPaidReply() { rooms.append(room) }
            #expect(rooms.count == 48)
            #expect(budget.reserve(16 << 20) != nil)
            rooms.removeLast()
            #expect(transport.roomForPaidReply() != nil)
        }
    }

    // MARK: Requests and replies

    @Test func `a request arrives once, with body, token and headers, and its reply is returned`() async throws {
        let server = try await RawServer.start { _ in .reply(RawServer.http(body: #"{"task_id":"r-1"}"#)) }
        let sent = Mutex<[Bool]>([])
        let result = try await with(server.url, sent: { isPaid in sent.withLock { $0.append(isPaid) } }) {
            await send($0)
        }
        let reply = try result.get()
        #expect(reply.status == 200)
        #expect(reply.retryAfter == nil)
        #expect(reply.headers["content-length"] != nil)
        #expect(String(decoding: reply.body, as: UTF8.self) == #"{"task_id":"r-1"}"#)
        let request = try #require(server.requests.first)
        #expect(server.requests.count == 1)
        #expect(request.hasPrefix("POST /v1/image/make HTTP/1.1\r\n"))
        #expect(request.lowercased().contains("\r\nauthorization: bearer secret-token\r\n"))
        #expect(request.lowercased().contains("\r\naccept-encoding: identity\r\n"))
        #expect(request.lowercased().contains("\r\ncontent-type: application/json\r\n"))
        #expect(request.hasSuffix("\r\n\r\n{\"prompt\":\"a cat\"}"))
        #expect(sent.withLock { $0 } == [true])
        try await server.stop()
    }

    @Test func `without a token there is no header for it`() async throws {
        let server = try await RawServer.start { _ in .reply(RawServer.http()) }
        _ = try await with(server.url, token: nil) { await send($0) }
        #expect(server.requests.first?.lowercased().contains("authorization") == false)
        try await server.stop()
    }

    @Test(arguments: [400, 404, 429, 500, 503])
    func `replies with any status are returned`(status: Int) async throws {
        let server = try await RawServer.start { _ in .reply(RawServer.http("\(status) Some Words", body: "no")) }
        let reply = try await with(server.url) { await send($0) }.get()
        #expect(reply.status == status)
        #expect(server.requests.count == 1)
        try await server.stop()
    }

    @Test(arguments: [301, 302, 307, 308])
    func `a redirect is not followed`(status: Int) async throws {
        let other = try await RawServer.start { _ in .reply(RawServer.http()) }
        let target = other.url
        let server = try await RawServer.start { _ in
            .reply(RawServer.http("\(status) Elsewhere", headers: ["Location: \(target)/image/make"]))
        }
        for isPaid in [true, false] {
            let reply = try await with(server.url) { await send($0, isPaid: isPaid) }.get()
            #expect(reply.status == status)
        }
        #expect(other.connections == 0)
        #expect(server.requests.count == 2)
        try await server.stop()
        try await other.stop()
    }

    @Test(
        arguments: [
            ("120", Duration.seconds(120)), ("0", .zero), ("1.5", .milliseconds(1_500)),
            ("Mon, 23 Nov 2026 14:06:09 GMT", .seconds(60)), ("Monday, 23-Nov-26 14:06:09 GMT", .seconds(60)),
            ("Mon Nov 23 14:06:09 2026", .seconds(60)), ("Sunday, 06-Nov-94 08:49:37 GMT", .zero),
            ("Sun Nov  6 08:49:37 1994", .zero), ("Tue Dec  1 14:05:09 2026", .seconds(8 * 86_400)),
            ("Wed, 99 Foo 2026 25:61:61 GMT", nil), ("Monday, 23-Nov-2 14:06:09 GMT", nil),
            ("6.5", .milliseconds(6_500)), ("Mon, 23 Nov 2020 14:06:09 GMT", .zero), ("-5", nil),
            ("soon", nil), ("Mon, 31 Feb 2026 14:06:09 GMT", nil), ("nan", nil), ("inf", nil), ("", nil),
        ] as [(String, Duration?)])
    func `Retry-After is read in seconds and as a date`(text: String, expected: Duration?) async throws {
        let server = try await RawServer.start { _ in
            .reply(RawServer.http("429 Too Many Requests", headers: ["retry-after: \(text) "]))
        }
        let reply = try await with(server.url) { await send($0) }.get()
        #expect(reply.retryAfter == expected)
        try await server.stop()
    }

    // MARK: Connections

    @Test func `every paid request uses a new connection`() async throws {
        let server = try await RawServer.start { _ in .reply(RawServer.http()) }
        try await with(server.url) { transport in
            for _ in 0..<4 { _ = try await send(transport).get() }
        }
        #expect(server.connections == 4)
        #expect(server.requests.count == 4)
        try await server.stop()
    }

    @Test func `status queries reuse a connection, which paid requests must not do`() async throws {
        let server = try await RawServer.start { _ in .reply(RawServer.http()) }
        try await with(server.url) { transport in
            for _ in 0..<20 { _ = try await send(transport, isPaid: false).get() }
        }
        // Rarely, a reply is reported before its connection counts as free, and the next query opens another.
        #expect(server.connections < 10)
        #expect(server.requests.count == 20)
        try await server.stop()
    }
}
