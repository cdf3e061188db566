import HTTPServing
import HTTPTesting
import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdTesting
import Testing

@Suite(.timeLimit(.minutes(5))) struct ExpectContinueTests {
    /// A server that reads bodies at /take, rejects them unread at /refuse, and replies to anything at /greet.
    private func serve(_ body: @escaping @Sendable (RawClient) async throws -> Void) async throws {
        let router = Router()
        router.post("take") { request, _ in "took \(try await request.body.collect(upTo: 1_000).readableBytes)" }
        router.post("refuse") { _, _ -> Response in Response(status: .contentTooLarge) }
        router.get("greet") { _, _ in "hello" }
        let app = Application(
            router: router, server: HTTPServerBuilder { ContinuingHTTP1Channel(responder: $0) },
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)))
        try await app.test(.live) { client in
            try await RawClient.with(port: try #require(client.port), body)
        }
    }

    private func head(_ path: String, length: Int, version: String = "1.1", expect: String = "100-continue") -> String {
        "POST \(path) HTTP/\(version)\r\nHost: x\r\nContent-Length: \(length)\r\nExpect: \(expect)\r\n\r\n"
    }

    @Test(arguments: ["100-continue", "100-Continue"])
    func `a waiting client gets 100 Continue, and the connection stays open`(expect: String) async throws {
        try await serve { client in
            for _ in 0..<2 {
                try await client.send(head("/take", length: 5, expect: expect))
                #expect(try await client.read(until: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
                try await client.send("12345")
                #expect(try await client.read(until: "took 5").hasPrefix("HTTP/1.1 200 OK\r\n"))
            }
        }
    }

    @Test func `an unwanted body gets its final status immediately, and the connection closes`() async throws {
        for path in ["/refuse", "/nowhere"] {
            try await serve { client in
                try await client.send(head(path, length: 5))
                let answer = try await client.readToEnd()
                #expect(!answer.contains("100 Continue"))
                #expect(answer.hasPrefix(path == "/refuse" ? "HTTP/1.1 413" : "HTTP/1.1 404"))
                #expect(answer.lowercased().contains("\r\nconnection: close\r\n"))
            }
        }
    }

    @Test func `a client that does not wait gets no 100 Continue`() async throws {
        try await serve { client in
            try await client.send(head("/take", length: 5) + "12345")
            let answer = try await client.read(until: "took 5")
            // The server may process the head before the body arrives.
            #expect(answer.replacing("HTTP/1.1 100 Continue\r\n\r\n", with: "").hasPrefix("HTTP/1.1 200 OK\r\n"))
        }
    }

    @Test func `clients of HTTP 1.0 and clients without an expectation get no 100 Continue`() async throws {
        for head in [head("/take", length: 5, version: "1.0"), head("/take", length: 5).replacing("Expect", with: "X")]
        {
            try await serve { client in
                try await client.send(head + "12345")
                #expect(try await client.read(until: "took 5").contains(" 200 OK\r\n"))
            }
        }
    }

    @Test func `a response to an earlier request does not count for the waiting one`() async throws {
        try await serve { client in
            try await client.send("GET /greet HTTP/1.1\r\nHost: x\r\n\r\n" + head("/take", length: 5))
            let answers = try await client.read(until: "100 Continue\r\n\r\n")
            #expect(answers.contains("hello"))
            #expect(!answers.lowercased().contains("connection: close"))
            try await client.send("12345")
            #expect(try await client.read(until: "took 5").hasPrefix("HTTP/1.1 200 OK\r\n"))
        }
    }
}
