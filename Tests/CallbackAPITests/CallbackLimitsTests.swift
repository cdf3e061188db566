import CallbackAPI
import NIOCore
import TaskEngine
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

/// Tests the limits of the callback route through a real listener.
@Suite(.timeLimit(.minutes(2))) struct CallbackLimitsTests {
    @Test func `a body above the size limit is rejected`() async throws {
        var limits = CallbackLimits()
        limits.maxBodyBytes = 10_000
        try await withListener(limits: limits) { listener in
            let (id, path) = try await listener.running()
            #expect(try await listener.post(path, String(repeating: "x", count: 10_001)) == 413)
            #expect(try await listener.world.task(id).callbacks.count == 0)
            #expect(try await listener.post(path, String(repeating: "x", count: 10_000)) == 200)
        }
    }

    @Test func `all bodies together have a limit, and each body releases its share`() async throws {
        var limits = CallbackLimits()
        limits.maxBytesAtOnce = 10_000
        try await withListener(limits: limits) { listener in
            let (_, path) = try await listener.running()
            #expect(try await listener.post(path, String(repeating: "x", count: 20_000)) == 503)
            for _ in 0..<3 { #expect(try await listener.post(path, String(repeating: "x", count: 9_000)) == 200) }
        }
    }

    @Test func `headers have a size limit`() async throws {
        try await withListener { listener in
            let (_, path) = try await listener.running()
            let many = (0..<100).map { "X-\($0): y\r\n" }.joined()
            #expect(try await listener.post(path, "{}", headers: many) != 200)
            let large = "X-Large: \(String(repeating: "y", count: 20_000))\r\n"
            #expect(try await listener.post(path, "{}", headers: large) != 200)
            #expect(try await listener.post(path, "{}") == 200)
        }
    }

    /// Incomplete requests: nothing, half a line, half a body.
    private static func halves(of path: String) -> [String] {
        ["", "\u{16}\u{3}\u{1}", "POST /cal", "POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"]
    }

    @Test func `slow and incomplete requests do not block others`() async throws {
        var limits = CallbackLimits()
        // Longer than the test, so waiting for the incomplete requests would fail it.
        limits.lifetime = .seconds(3_600)
        try await withListener(limits: limits) { listener in
            let (_, path) = try await listener.running()
            for half in Self.halves(of: path) {
                try await listener.open().channel.writeAndFlush(ByteBuffer(string: half)).get()
            }
            #expect(try await listener.post(path, "{}") == 200)
        }
    }

    @Test func `slow and incomplete requests end after the connection lifetime`() async throws {
        var limits = CallbackLimits()
        limits.lifetime = .milliseconds(200)
        try await withListener(limits: limits) { listener in
            let (_, path) = try await listener.running()
            for half in Self.halves(of: path) {
                let conversation = try await listener.open()
                try? await conversation.channel.writeAndFlush(ByteBuffer(string: half)).get()
                // The connection must close. One that stays open fails the test by its time limit.
                #expect(!(try await conversation.text.get()).contains("200"))
            }
        }
    }

    @Test func `an address above its request rate must wait, and others are served`() async throws {
        var limits = CallbackLimits()
        limits.exemptsThisMachine = false
        limits.requestsPerSecond = 1
        limits.burst = 3
        try await withListener(limits: limits) { listener in
            let (_, path) = try await listener.running()
            for _ in 0..<3 { #expect(try await listener.post(path, "{}") == 200) }
            #expect(try await listener.post(path, "{}") == 429)
            listener.world.time.advance(by: .seconds(1))
            #expect(try await listener.post(path, "{}") == 200)
        }
    }

    @Test func `an address with too many connections gets no further one`() async throws {
        var limits = CallbackLimits()
        limits.exemptsThisMachine = false
        limits.connectionsPerAddress = 2
        // No connection reaches its maximum lifetime.
        limits.lifetime = .seconds(3_600)
        try await withListener(limits: limits) { listener in
            let (_, path) = try await listener.running()
            let ended = AsyncStream.makeStream(of: Int.self)
            var held: [Conversation] = []
            for index in 0..<3 {
                held.append(try await listener.open())
                held[index].text.whenComplete { _ in ended.continuation.yield(index) }
            }
            // The server's threads decide which of the three is counted last.
            let refused = try #require(await ended.stream.first { _ in true })
            #expect(try await held[refused].text.get() == "")
            try await held[(refused + 1) % 3].channel.close().get()
            // The server notices the end slightly later than the client.
            #expect(await listener.isServedInTheEnd(path))
        }
    }
}
