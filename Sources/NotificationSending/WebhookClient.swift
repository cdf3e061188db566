import AsyncHTTPClient
package import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization
package import TaskEngine
package import TaskModel
import TaskStore
package import Text
package import UpstreamHTTP

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// WebhookClient posts one notification over HTTP and says what became of it. It follows no redirect, uses no proxy and never
/// tries again by itself.
package final class WebhookClient: Sendable {
    /// What one request brought.
    package struct Reply: Sendable {
        package let outcome: DeliveryQueue.Outcome
        /// Whether there was no connection, so nothing was sent.
        package var isUnreachable = false
    }

    private struct State {
        var trust: TrustSettings
        var client: HTTPClient
        /// Requests may be in flight on them.
        var former: [HTTPClient] = []
    }

    private let state: Mutex<State>
    private let eventLoopGroup: any EventLoopGroup
    private let agent: String

    private static let connectTimeout = TimeAmount.seconds(5)
    private static let timeout = Duration.seconds(15)
    /// What is kept of an answer.
    static let answerSize = 1_024

    /// `pin` is a host that was checked, with the only address to which requests for it go.
    package init(
        agent: String, trust: TrustSettings, eventLoopGroup: any EventLoopGroup,
        pin: (host: HostPort, address: IPAddress)? = nil
    ) {
        self.agent = agent
        self.eventLoopGroup = eventLoopGroup
        state = Mutex(State(trust: trust, client: Self.client(trust, on: eventLoopGroup, pin: pin)))
    }

    private static func client(
        _ trust: TrustSettings, on group: any EventLoopGroup, pin: (host: HostPort, address: IPAddress)? = nil
    ) -> HTTPClient {
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: trust.configuration, redirectConfiguration: .disallow,
            timeout: .init(connect: connectTimeout),
            decompression: .disabled)
        configuration.httpVersion = .http1Only
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 16
        configuration.connectionPool.retryConnectionEstablishment = false
        if let pin { configuration.pin(pin.host, to: pin.address) }
        return HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
    }

    /// Trusts these authorities from now on.
    package func trust(_ trust: TrustSettings) {
        state.withLock { state in
            guard state.trust != trust else { return }
            state.former.append(state.client)
            state.trust = trust
            state.client = Self.client(trust, on: eventLoopGroup)
        }
    }

    /// Closes all connections.
    package func shutdown() async throws {
        for client in state.withLock({ $0.former + [$0.client] }) { try await client.shutdown() }
    }

    /// Posts the body to a URL, which may be one of a Unix socket. `isUnreachable` says that there was no connection.
    package func post(
        _ body: [UInt8], to url: String, headers: [(name: String, value: String)],
        now: @escaping @Sendable () -> Timestamp
    ) async -> Reply {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "content-type", value: "application/json")
        request.headers.add(name: "user-agent", value: agent)
        for field in headers { request.headers.add(name: field.name, value: field.value) }
        request.body = .bytes(body)
        let (client, sending) = (state.withLock { $0.client }, request)
        return await Self.inTime { await Self.exchange(sending, by: client, now: now) }
    }

    /// What one try brings within 15 s. Also an answer that stops halfway ends in time.
    static func inTime(_ body: @escaping @Sendable () async -> Reply) async -> Reply {
        let reply = await inTime(timeout, body)
        if Task.isCancelled { return Reply(outcome: .notSent) }
        return reply ?? Reply(outcome: .failed(DeliveryFailure(reason: "no answer within 15 s")))
    }

    /// What the body returns in that time; nil if it takes longer.
    private static func inTime<Value: Sendable>(
        _ time: Duration, _ body: @escaping @Sendable () async -> Value
    ) async -> Value? {
        await withTaskGroup(of: Value?.self) { group in
            group.addTask { await body() }
            group.addTask {
                try? await Task.sleep(for: time)
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
    }

    private static func exchange(
        _ request: HTTPClientRequest, by client: HTTPClient, now: @Sendable () -> Timestamp
    ) async -> Reply {
        let response: HTTPClientResponse
        do {
            response = try await client.execute(request, deadline: .now() + .seconds(20))
        } catch {
            return Reply(
                outcome: .failed(DeliveryFailure(reason: words(for: error))), isUnreachable: isUnreachable(error))
        }
        let status = Int(response.status.code)
        if (200..<300).contains(status) {
            // It counts whether its body ends or not. Reading it lets the connection be used again.
            _ = await inTime(.seconds(1)) { await beginning(of: response.body) }
            return Reply(outcome: .delivered)
        }
        let answer = await beginning(of: response.body)
        let failure = DeliveryFailure(
            status: status, reason: "it answered \(status)", answer: answer,
            retryAfter: response.headers.first(name: "retry-after").flatMap { RetryAfter.read($0, now: now()) })
        return Reply(outcome: status == 410 ? .gone(failure) : .failed(failure))
    }

    private static func isUnreachable(_ error: any Error) -> Bool {
        switch error {
        case is NIOConnectionError: true
        case let error as IOError: [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH].contains(error.errnoCode)
        case let error as HTTPClientError: error == .connectTimeout
        default: false
        }
    }

    /// The beginning of an answer. A longer one is not read to its end.
    private static func beginning(of body: HTTPClientResponse.Body) async -> String? {
        var bytes: [UInt8] = []
        do {
            for try await part in body {
                bytes += part.readableBytesView.prefix(answerSize - bytes.count)
                if bytes.count >= answerSize { break }
            }
        } catch {
            // The status counts, and is there.
        }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }

    private static func words(for error: any Error) -> String {
        switch error {
        case let error as IOError: "no connection: \(String(cString: strerror(error.errnoCode)))"
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { words(for: $0.error) } ?? "the host \(error.host) has no address"
        case let error as HTTPClientError: words(for: error)
        case is NIOSSLError: "the TLS connection failed: \(error)"
        default: "the connection failed: \(error)"
        }
    }

    private static func words(for error: HTTPClientError) -> String {
        switch error {
        case .connectTimeout: "no connection within 5 s"
        case .remoteConnectionClosed: "the connection was closed without an answer"
        case .deadlineExceeded, .readTimeout: "no answer within 15 s"
        default: error.shortDescription
        }
    }
}
