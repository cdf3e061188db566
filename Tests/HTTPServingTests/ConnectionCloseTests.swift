import HTTPServing
import HTTPTesting
import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdTesting
import NIOCore
import Testing

@Suite(.timeLimit(.minutes(1))) struct ConnectionCloseTests {
    /// A server that refuses bodies unread at /refuse, and replies without a length at /parts.
    private func serve(_ body: @escaping @Sendable (RawClient) async throws -> Void) async throws {
        let router = Router()
        router.get("greet") { _, _ in "hello" }
        router.get("last") { _, _ in
            Response(
                status: .ok, headers: [.connection: "close"], body: ResponseBody(byteBuffer: ByteBuffer(string: "bye")))
        }
        router.post("refuse") { _, _ in Response(status: .contentTooLarge, headers: [.connection: "close"]) }
        router.get("parts") { _, _ in
            Response(
                status: .ok,
                body: ResponseBody { writer in
                    for part in ["one ", "two"] { try await writer.write(ByteBuffer(string: part)) }
                    try await writer.finish(nil)
                })
        }
        let app = Application(
            router: router, server: HTTPServerBuilder { ContinuingHTTP1Channel(responder: $0) },
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)))
        try await app.test(.live) { client in
            try await RawClient.with(port: try #require(client.port), body)
        }
    }

    @Test func `a response that says close ends the connection`() async throws {
        try await serve { client in
            try await client.send("GET /last HTTP/1.1\r\nHost: x\r\n\r\n")
            let answer = try await client.readToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.hasSuffix("\r\n\r\nbye"))
        }
    }

    @Test(arguments: ["close", "Close"])
    func `a request that says close ends the connection`(word: String) async throws {
        try await serve { client in
            try await client.send("GET /greet HTTP/1.1\r\nHost: x\r\nConnection: \(word)\r\n\r\n")
            let answer = try await client.readToEnd()
            #expect(answer.hasSuffix("hello"))
            #expect(answer.lowercased().contains("\r\nconnection: close\r\n"))
        }
    }

    @Test(arguments: [("greet", "hello"), ("parts", "one two")])
    func `a client of HTTP 1.0 gets its response without chunks, and then the end`(
        path: String, body: String
    ) async throws {
        try await serve { client in
            try await client.send("GET /\(path) HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n")
            #expect(try await client.readToEnd().hasSuffix("\r\n\r\n" + body))
        }
    }

    @Test func `other connections stay open`() async throws {
        try await serve { client in
            for _ in 0..<2 {
                try await client.send("GET /greet HTTP/1.1\r\nHost: x\r\n\r\n")
                #expect(try await client.read(until: "hello").lowercased().contains("connection: close") == false)
            }
        }
    }

    @Test func `a client that still sends its body can read why it was refused`() async throws {
        let part = String(repeating: "x", count: 1 << 20)
        try await serve { client in
            try await client.send("POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: \(64 << 20)\r\n\r\n")
            for _ in 0..<64 { try await client.send(part) }
            #expect(try await client.readToEnd().hasPrefix("HTTP/1.1 413"))
        }
    }
}
