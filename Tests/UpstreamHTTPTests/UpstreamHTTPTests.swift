import BoundedMemory
import HTTPTesting
import NIOCore
import NIOPosix
import ProviderCatalog
import Synchronization
import TaskModel
import TaskTesting
import Testing
import UpstreamHTTP

@Suite(.timeLimit(.minutes(5))) struct UpstreamHTTPTests {
    private static let now = Timestamp(milliseconds: 1_795_442_709_000)
    private let submission = UpstreamRequest(
        method: "POST", path: "/image/make", body: Array(#"{"prompt":"a cat"}"#.utf8))

    /// Runs the body with a transport to that URL and closes it.
    private func with<Value: Sendable>(
        _ url: String, token: String? = "secret-token", proxies: ProxySettings = .none, maxReplyBytes: Int = 1 << 20,
        connectTimeout: Duration = .seconds(10), memory: ReplyMemory = ReplyMemory(),
        sent: @escaping @Sendable (Bool) -> Void = { _ in },
        _ body: (UpstreamHTTP) async throws -> Value
    ) async throws -> Value {
        let transport = UpstreamHTTP(
            providers: Current(always: ["testing": UpstreamHTTP.Access(baseURL: url, token: token)]),
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            connections: UpstreamHTTP.Connections(proxies: proxies, connectTimeout: connectTimeout),
            maxReplyBytes: Current(always: maxReplyBytes), memory: memory, now: { Self.now }, requestSent: sent)
        let value: Value
        do { value = try await body(transport) } catch {
            try await transport.shutdown()
            throw error
        }
        try await transport.shutdown()
        return value
    }

    private func send(
        _ transport: UpstreamHTTP, isPaid: Bool = true, timeout: Duration = .seconds(20)
    ) async -> Result<UpstreamReply, UpstreamTransportError> {
        do throws(UpstreamTransportError) {
            return .success(try await transport.send(submission, to: "testing", isPaid: isPaid, timeout: timeout))
        } catch {
            return .failure(error)
        }
    }

    private func isNotSent(_ result: Result<UpstreamReply, UpstreamTransportError>) -> Bool {
        if case .failure(.notSent) = result { true } else { false }
    }

    private func isInterrupted(_ result: Result<UpstreamReply, UpstreamTransportError>) -> Bool {
        if case .failure(.interrupted) = result { true } else { false }
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

    @Test func `a request arrives once, with body, token and headers, and its reply comes back`() async throws {
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

    // MARK: Nothing was sent

    @Test func `a refused connection is reported immediately as not sent`() async throws {
        let server = try await RawServer.start { _ in .hang }
        let url = server.url
        try await server.stop()
        let clock = ContinuousClock()
        let began = clock.now
        let result = try await with(url) { await send($0) }
        #expect(isNotSent(result), "\(result)")
        // Earlier than the timeout.
        #expect(clock.now - began < .seconds(15))
    }

    @Test func `an unresolvable name means not sent`() async throws {
        let result = try await with("http://no-such-host.invalid/v1") { await send($0, timeout: .seconds(10)) }
        #expect(isNotSent(result), "\(result)")
    }

    @Test func `a TLS failure means not sent`() async throws {
        let server = try await RawServer.start { _ in .replyAndClose("HTTP/1.1 400 Bad Request\r\n\r\n") }
        let result = try await with("https://127.0.0.1:\(server.port)/v1") { await send($0, timeout: .seconds(10)) }
        #expect(isNotSent(result), "\(result)")
        #expect(server.requests.allSatisfy { !$0.contains("prompt") })
        try await server.stop()
    }

    @Test(arguments: ["", "no url", "ftp://127.0.0.1/v1", "http:///v1"])
    func `an invalid base URL means not sent`(url: String) async throws {
        let result = try await with(url) { await send($0, timeout: .seconds(5)) }
        #expect(isNotSent(result), "\(result)")
    }

    /// Runs the body with a port whose connections never complete, because the accept queue is full.
    private func withBlackHole(_ body: (Int) async throws -> Void) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let server = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1).serverChannelOption(.autoRead, value: false)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = server.localAddress?.port ?? 0
        var waiting: [any Channel] = []
        for _ in 0..<8 {
            // Connections that find the queue full time out.
            let client = ClientBootstrap(group: group).connectTimeout(.milliseconds(100))
            if let channel = try? await client.connect(host: "127.0.0.1", port: port).get() { waiting.append(channel) }
        }
        try await body(port)
        for channel in waiting { try? await channel.close() }
        try await server.close()
    }

    @Test func `without a connection nothing was sent, whichever timeout is shorter`() async throws {
        try await withBlackHole { port in
            for (connect, timeout) in [
                (Duration.seconds(10), Duration.milliseconds(300)), (.milliseconds(100), .seconds(20)),
            ] {
                let result = try await with("http://127.0.0.1:\(port)/v1", connectTimeout: connect) {
                    await send($0, timeout: timeout)
                }
                #expect(isNotSent(result), "\(result)")
            }
        }
        // TCP connects, but TLS never completes.
        let server = try await RawServer.start { _ in .hang }
        let result = try await with("https://127.0.0.1:\(server.port)/v1") {
            await send($0, timeout: .milliseconds(300))
        }
        #expect(isNotSent(result), "\(result)")
        try await server.stop()
    }

    @Test func `a paid request cancelled before it is connected was not sent`() async throws {
        try await withBlackHole { port in
            let result = try await with("http://127.0.0.1:\(port)/v1") { transport in
                let sending = Task { await send(transport) }
                sending.cancel()
                return await sending.value
            }
            #expect(isNotSent(result), "\(result)")
        }
    }

    // MARK: Encoded and incomplete replies

    private static let compressed: [UInt8] = [
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 42, 73, 44, 206, 142, 207, 76, 81, 178, 82, 42, 210, 53, 84, 170, 5,
        0, 166, 145, 184, 12, 17, 0, 0, 0,
    ]

    @Test(arguments: [["Content-Encoding: gzip"], []])
    func `an unrequested compressed reply is decoded`(headers: [String]) async throws {
        let head = (["HTTP/1.1 200 OK"] + headers + ["Content-Length: \(Self.compressed.count)", "", ""])
            .joined(separator: "\r\n")
        let server = try await RawServer.start { _ in .replyBytes(head, body: Self.compressed) }
        let reply = try await with(server.url) { await send($0) }.get()
        #expect(String(decoding: reply.body, as: UTF8.self) == #"{"task_id":"r-1"}"#)
        #expect(reply.headers["content-encoding"] == nil)
        // The limit applies to the decoded size.
        let small = try await with(server.url, maxReplyBytes: 16) { await send($0) }
        #expect(small == .failure(.tooLarge(maxBytes: 16)))
        try await server.stop()
    }

    @Test func `an unknown coding keeps the status and is named`() async throws {
        let server = try await RawServer.start { _ in
            .reply(RawServer.http("403 Forbidden", headers: ["Content-Encoding: br"], body: "x"))
        }
        let reply = try await with(server.url) { await send($0) }.get()
        #expect(reply.status == 403 && reply.headers["content-encoding"] == "br")
        try await server.stop()
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"task_id\":\"r-1\"}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n{\"task_id\":\"r-1\"}\r\n",
        "HTTP/1.1 200 OK\r\n\r\n{\"task_id\":\"r-1\"}",
    ])
    func `a complete document is a complete reply, however its connection ends`(text: String) async throws {
        let server = try await RawServer.start { number in number == 1 ? .replyAndClose(text) : .reply(text) }
        for timeout in [Duration.seconds(20), .milliseconds(300)] {
            let result = try await with(server.url) { await send($0, timeout: timeout) }
            #expect((try? result.get().body) == Array(#"{"task_id":"r-1"}"#.utf8), "\(result)")
        }
        try await server.stop()
    }

    // MARK: Unknown outcome

    @Test(arguments: [
        RawServer.Action.close, .replyAndClose("HTTP/1.1 200 OK\r\nContent-Le"),
        .replyAndClose("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"task_id\""),
        .replyAndClose("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"ta"),
        .replyAndClose("garbage\r\n\r\n"), .replyAndClose("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n17"),
    ])
    func `a truncated reply leaves the outcome unknown, and the paid request is not resent`(action: RawServer.Action)
        async throws
    {
        let server = try await RawServer.start { _ in action }
        let result = try await with(server.url) { await send($0) }
        #expect(isInterrupted(result), "\(result)")
        #expect(server.requests.count == 1)
        try await server.stop()
    }

    @Test(arguments: [RawServer.Action.hang, .reply("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")])
    func `a hanging server ends in a timeout`(action: RawServer.Action) async throws {
        let server = try await RawServer.start { _ in action }
        // Long enough to send the request on a busy machine.
        let result = try await with(server.url) { await send($0, timeout: .seconds(3)) }
        #expect(isInterrupted(result), "\(result)")
        #expect(server.requests.count == 1)
        try await server.stop()
    }

    @Test func `a reply that is too large is an error`() async throws {
        let server = try await RawServer.start { _ in .reply(RawServer.http(body: String(repeating: "x", count: 5_000)))
        }
        let small = try await with(server.url, maxReplyBytes: 4_999) { await send($0) }
        #expect(small == .failure(.tooLarge(maxBytes: 4_999)))
        let enough = try await with(server.url, maxReplyBytes: 5_000) { await send($0) }
        #expect(try enough.get().body.count == 5_000)
        try await server.stop()
    }

    @Test func `a cancelled request is reported as cancelled`() async throws {
        let arrived = AsyncStream.makeStream(of: Void.self)
        let server = try await RawServer.start { _ in
            arrived.continuation.yield()
            return .hang
        }
        let result = try await with(server.url) { transport in
            let sending = Task { await send(transport) }
            for await _ in arrived.stream { break }
            sending.cancel()
            return await sending.value
        }
        #expect(result == .failure(.cancelled))
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
