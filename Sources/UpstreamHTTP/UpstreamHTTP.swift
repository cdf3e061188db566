import AsyncHTTPClient
package import NIOCore
import NIOHTTP1
package import ProviderCatalog
package import TaskModel

/// Carries one request to a provider over HTTP and brings one answer. Never sends a request twice, follows no redirect.
///
/// Paid requests have a client of their own whose connections serve one request each: on a kept connection the server
/// may close in the very moment in which we write, and nobody could say whether the request arrived.
package struct UpstreamHTTP: UpstreamTransport {
    /// Where a provider is, and what lets us in.
    package struct Access: Sendable {
        /// Without a trailing slash.
        package let baseURL: String
        /// Nil where there is none.
        package let token: String?
        /// How the token is shown.
        package let authentication: Authentication
        /// Go with every request.
        package let headers: [String: String]

        package init(
            baseURL: String, token: String?, authentication: Authentication = .bearer, headers: [String: String] = [:]
        ) {
            self.baseURL = baseURL
            self.token = token
            self.authentication = authentication
            self.headers = headers
        }
    }

    private let providers: [String: Access]
    private let paid: HTTPClient
    private let free: HTTPClient
    private let maxReplyBytes: Int
    private let memory: ReplyMemory
    private let now: @Sendable () -> Timestamp
    private let requestSent: @Sendable (_ isPaid: Bool) -> Void

    /// Opens the clients. `requestSent` is told when the last byte of a request is out.
    package init(
        providers: [String: Access], eventLoopGroup: any EventLoopGroup, maxReplyBytes: Int = 32 << 20,
        memory: ReplyMemory = ReplyMemory(), now: @escaping @Sendable () -> Timestamp,
        requestSent: @escaping @Sendable (_ isPaid: Bool) -> Void = { _ in }
    ) {
        self.providers = providers
        self.maxReplyBytes = maxReplyBytes
        self.memory = memory
        self.now = now
        self.requestSent = requestSent
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(10)), decompression: .disabled)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        configuration.httpVersion = .http1Only
        // A refused connection is told at once; when to try again is for the engine to say.
        configuration.connectionPool.retryConnectionEstablishment = false
        free = HTTPClient(eventLoopGroupProvider: .shared(eventLoopGroup), configuration: configuration)
        configuration.maximumUsesPerConnection = 1
        paid = HTTPClient(eventLoopGroupProvider: .shared(eventLoopGroup), configuration: configuration)
    }

    /// Closes all connections.
    package func shutdown() async throws {
        try await paid.shutdown()
        try await free.shutdown()
    }

    package func send(
        _ request: UpstreamRequest, to provider: String, isPaid: Bool, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        let collector = ReplyCollector(maxBytes: maxReplyBytes, memory: memory, isReserved: isPaid, now: now) {
            [requestSent] in requestSent(isPaid)
        }
        let sending: HTTPClient.Request
        do {
            sending = try HTTPClient.Request(
                url: url(of: request, at: provider), method: HTTPMethod(rawValue: request.method),
                headers: headers(of: request, to: provider), body: request.body.map { .bytes($0) })
        } catch {
            // Without what authorises it, which may stand in the address too.
            let address = request.url ?? (providers[provider]?.baseURL ?? "") + request.path
            throw .notSent("\(address) is no address to send to")
        }
        do {
            let client = isPaid ? paid : free
            let task = client.execute(
                request: sending, delegate: collector, deadline: .now() + .milliseconds(timeout.wholeMilliseconds))
            let reply = try await withTaskCancellationHandler {
                try await task.get()
            } onCancel: {
                task.cancel()
            }
            return try await collector.complete(reply)
        } catch {
            throw UpstreamTransportError(translating: error, hasSentHead: collector.hasSentHead)
        }
    }

    package func roomForPaidReply() -> ReplyRoom? { memory.roomForPaidReply() }

    private func url(of request: UpstreamRequest, at provider: String) -> String {
        let access = providers[provider]
        let url = request.url ?? (access?.baseURL ?? "") + request.path
        guard case .query(let name) = access?.authentication, let token = access?.token else { return url }
        return url + (url.contains("?") ? "&" : "?") + name + "=" + token.escapedForQuery
    }

    private func headers(of request: UpstreamRequest, to provider: String) -> HTTPHeaders {
        let access = providers[provider]
        var headers = HTTPHeaders((access?.headers ?? [:]).map { ($0.key, $0.value) })
        for (name, value) in request.headers { headers.replaceOrAdd(name: name, value: value) }
        headers.replaceOrAdd(name: "Accept", value: "application/json")
        headers.replaceOrAdd(name: "User-Agent", value: "pollux")
        if request.body != nil { headers.replaceOrAdd(name: "Content-Type", value: "application/json") }
        guard let token = access?.token else { return headers }
        switch access?.authentication {
        case .header(let name, let prefix): headers.replaceOrAdd(name: name, value: prefix + token)
        case .signedToken(let lifetime):
            if let signed = SignedToken.make(from: token, lifetime: lifetime, now: now()) {
                headers.replaceOrAdd(name: "Authorization", value: "Bearer " + signed)
            }
        case .query, .some(.none), nil: break
        }
        return headers
    }
}

extension String {
    /// All but RFC 3986's unreserved characters escaped.
    fileprivate var escapedForQuery: String {
        utf8.map { byte in
            let character = Character(Unicode.Scalar(byte))
            let stays = character.isASCII && (character.isLetter || character.isNumber || "-._~".contains(character))
            return stays ? String(character) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
    }
}
