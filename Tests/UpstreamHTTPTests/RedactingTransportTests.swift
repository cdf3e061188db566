import ProviderCatalog
import Synchronization
import TaskModel
import TaskTesting
import Testing
import UpstreamHTTP

@Suite struct RedactingTransportTests {
    private static let secret = "secret-0123456789"

    private struct FixedReplyTransport: UpstreamTransport {
        func roomForPaidReply() -> ReplyRoom? { ReplyRoom() }

        let result: Result<UpstreamReply, UpstreamTransportError>
        var sent: @Sendable (UpstreamRequest) -> Void = { _ in }

        func send(
            _ request: UpstreamRequest, by account: ProviderAccount, isPaid: Bool, timeout: Duration
        ) async throws(UpstreamTransportError) -> UpstreamReply {
            sent(request)
            return try result.get()
        }
    }

    private func send(
        _ result: Result<UpstreamReply, UpstreamTransportError>
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        try await RedactingTransport(
            FixedReplyTransport(result: result), redactor: Current(always: SecretRedactor([Self.secret]))
        ).send(
            UpstreamRequest(method: "GET", path: "/"), by: "p", isPaid: true, timeout: .seconds(1))
    }

    @Test func `secrets in a reply are redacted and the rest is unchanged`() async throws {
        let reply = UpstreamReply(
            status: 401, retryAfter: .seconds(3), headers: ["location": "https://x/?k=\(Self.secret)", "a": "b"],
            body: Array(#"{"error":"bad token \#(Self.secret)","n":1.0}"#.utf8))
        let clean = UpstreamReply(
            status: 401, retryAfter: .seconds(3), headers: ["location": "https://x/?k=(redacted)", "a": "b"],
            body: Array(#"{"error":"bad token (redacted)","n":1.0}"#.utf8))
        #expect(try await send(.success(reply)) == clean)
    }

    @Test(arguments: [
        ("p", "https://x/a?key=secret%2F0123456789&b=c"), ("another", "https://x/a?key=(redacted)&b=c"),
    ])
    func `a redacted URL gets the token back only for its provider`(
        provider: String, url: String
    ) async throws {
        let addresses = Mutex<[String?]>([])
        let base = FixedReplyTransport(result: .success(UpstreamReply(status: 200, body: []))) { request in
            addresses.withLock { $0.append(request.url) }
        }
        let secret = "secret/0123456789"
        let transport = RedactingTransport(
            base, redactor: Current(always: SecretRedactor([secret])), tokens: Current(always: ["p": secret]))
        let kept = SecretRedactor([secret]).redacted("https://x/a?key=secret%2f0123456789&b=c")
        #expect(kept == "https://x/a?key=(redacted)&b=c")
        _ = try await transport.send(
            UpstreamRequest(method: "GET", path: "", url: kept),
            by: ProviderAccount(provider: try #require(ProviderName(provider))), isPaid: false, timeout: .seconds(1))
        #expect(addresses.withLock { $0 } == [url])
    }

    @Test(arguments: [
        (UpstreamTransportError.notSent("no \(secret)"), UpstreamTransportError.notSent("no (redacted)")),
        (.interrupted("\(secret) broke"), .interrupted("(redacted) broke")), (.cancelled, .cancelled),
    ])
    func `redaction keeps the kind of a transport error`(
        error: UpstreamTransportError, clean: UpstreamTransportError
    ) async {
        await #expect(throws: clean) { _ = try await send(.failure(error)) }
    }
}
