import HTTPTesting
import NIOCore
import NIOPosix
import ProviderCatalog
import TaskModel
import TaskTesting
import Testing
import UpstreamHTTP

/// Tests which failures mean that nothing was sent, and which leave the outcome unknown.
@Suite(.timeLimit(.minutes(5))) struct UpstreamFailureTests: UpstreamHTTPFixture {
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
}
