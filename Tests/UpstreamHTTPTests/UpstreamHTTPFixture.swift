import NIOPosix
import ProviderCatalog
import TaskModel
import TaskTesting
import Testing
import UpstreamHTTP

/// Requests to a server for the tests of the transport.
protocol UpstreamHTTPFixture: Sendable {}

extension UpstreamHTTPFixture {
    static var now: Timestamp { Timestamp(milliseconds: 1_795_442_709_000) }
    var submission: UpstreamRequest {
        UpstreamRequest(method: "POST", path: "/image/make", body: Array(#"{"prompt":"a cat"}"#.utf8))
    }

    /// Runs the body with a transport to that URL and closes it.
    func with<Value: Sendable>(
        _ url: String, token: String? = "secret-token", proxies: ProxySettings = .none, maxReplyBytes: Int = 1 << 20,
        connectTimeout: Duration = .seconds(10), memory: ReplyMemory = ReplyMemory(),
        sent: @escaping @Sendable (Bool) -> Void = { _ in },
        _ body: (UpstreamHTTP) async throws -> Value
    ) async throws -> Value {
        let transport = UpstreamHTTP(
            accounts: Current(always: ["testing": UpstreamHTTP.Access(baseURL: url, token: token)]),
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

    func send(
        _ transport: UpstreamHTTP, isPaid: Bool = true, timeout: Duration = .seconds(20)
    ) async -> Result<UpstreamReply, UpstreamTransportError> {
        do throws(UpstreamTransportError) {
            return .success(try await transport.send(submission, by: "testing", isPaid: isPaid, timeout: timeout))
        } catch {
            return .failure(error)
        }
    }

    func isNotSent(_ result: Result<UpstreamReply, UpstreamTransportError>) -> Bool {
        if case .failure(.notSent) = result { true } else { false }
    }

    func isInterrupted(_ result: Result<UpstreamReply, UpstreamTransportError>) -> Bool {
        if case .failure(.interrupted) = result { true } else { false }
    }
}
