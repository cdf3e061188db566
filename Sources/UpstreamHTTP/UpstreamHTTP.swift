import AsyncHTTPClient
import BoundedMemory
import ContentCoding
package import NIOCore
import NIOHTTP1
package import ProviderCatalog
package import TaskModel
import Text
import VerbatimJSON

/// Carries one request to a provider over HTTP and brings one answer. Never sends a request twice, follows no redirect.
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

    /// The default of `upstream.max_reply_bytes`: a minute of video in base64 fits.
    package static let usualMaxReplyBytes = 32 << 20

    private let providers: [String: Access]
    private let clients: UpstreamClients
    private let eventLoopGroup: any EventLoopGroup
    private let maxReplyBytes: Int
    private let memory: ReplyMemory
    private let now: @Sendable () -> Timestamp
    private let requestSent: @Sendable (_ isPaid: Bool) -> Void

    /// Opens the clients. `connectTimeout` must be below the time that any paid request may take. `requestSent` is told
    /// when the last byte of a request is out.
    package init(
        providers: [String: Access], eventLoopGroup: any EventLoopGroup, proxies: ProxySettings = .none,
        maxReplyBytes: Int = usualMaxReplyBytes, connectTimeout: Duration = .seconds(10),
        memory: ReplyMemory = ReplyMemory(), now: @escaping @Sendable () -> Timestamp,
        requestSent: @escaping @Sendable (_ isPaid: Bool) -> Void = { _ in }
    ) {
        self.providers = providers
        self.eventLoopGroup = eventLoopGroup
        self.maxReplyBytes = maxReplyBytes
        self.memory = memory
        self.now = now
        self.requestSent = requestSent
        clients = UpstreamClients(proxies: proxies, connectTimeout: connectTimeout, eventLoopGroup: eventLoopGroup)
    }

    /// Closes all connections.
    package func shutdown() async throws { try await clients.shutdown() }

    package func send(
        _ request: UpstreamRequest, to provider: String, isPaid: Bool, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        let collector = ReplyCollector(maxBytes: maxReplyBytes, memory: memory, isReserved: isPaid, now: now) {
            [requestSent] in requestSent(isPaid)
        }
        let address = url(of: request, at: provider)
        let way = clients.way(to: address)
        let sending: HTTPClient.Request
        do {
            sending = try self.sending(request, address, way, to: provider)
        } catch {
            // Without what authorises it, which may stand in the address too.
            let address = request.url ?? (providers[provider]?.baseURL ?? "") + request.path
            throw .notSent("\(address) is no address to send to")
        }
        let outcome: Result<UpstreamReply, any Error>
        do {
            // On one event loop everything that happens to a request has an order: a time-out that finds it waiting for a
            // connection keeps it from being written. Queries may use whatever connection is free instead.
            let task = clients.client(way, isPaid: isPaid).execute(
                request: sending, delegate: collector,
                eventLoop: isPaid ? .delegateAndChannel(on: eventLoopGroup.next()) : .indifferent,
                deadline: .now() + .milliseconds(timeout.wholeMilliseconds))
            let head = try await withTaskCancellationHandler {
                try await task.get()
            } onCancel: {
                task.cancel()
            }
            outcome = .success(try await collector.complete(head))
        } catch {
            outcome = .failure(error)
        }
        switch outcome {
        case .success(let reply):
            if case .forwarding(let proxy) = way, reply.status == 407 {
                throw .notSent("the proxy \(proxy.description) wants other credentials")
            }
            return try decoded(reply)
        case .failure(let error):
            // A JSON document shows its own end, so one that is whole needs no proper end of its connection.
            if !(error is ReplyCollector.ReplyTooLarge), !(error is SpillQueue.Unreadable),
                let head = collector.received,
                let whole = try? await collector.complete(head)
            {
                let reply = try decoded(whole)
                if reply.isWholeDocument { return reply }
            }
            throw UpstreamTransportError(
                translating: error, hasSentHead: collector.hasSentHead, isInOrder: isPaid, way: way,
                maxBytes: maxReplyBytes)
        }
    }

    /// The reply without its content codings; as it came where they cannot be undone, since its status may tell enough.
    private func decoded(_ reply: UpstreamReply) throws(UpstreamTransportError) -> UpstreamReply {
        do throws(ContentCoding.Failure) {
            let body = try ContentCoding.decode(
                reply.body, encodings: reply.headers["content-encoding"], maxBytes: maxReplyBytes)
            var headers = reply.headers
            headers["content-encoding"] = nil
            return reply.replacing(headers: headers, body: body)
        } catch .tooLarge {
            throw .tooLarge(maxBytes: maxReplyBytes)
        } catch {
            return reply
        }
    }

    private func sending(
        _ request: UpstreamRequest, _ address: String, _ way: UpstreamClients.Way, to provider: String
    ) throws -> HTTPClient.Request {
        var address = address
        var headers = headers(of: request, to: provider)
        if case .forwarding(let proxy) = way, let target = URLAuthority(address) {
            // The client connects to the proxy, and the request names the target.
            headers.replaceOrAdd(name: "Host", value: target.hostField)
            let rest = address.dropFirst("http://".count).drop { !"/?#".contains($0) }
            address = "http://\(proxy.host.contains(":") ? "[\(proxy.host)]" : proxy.host):\(proxy.port)\(rest)"
        }
        return try HTTPClient.Request(
            url: address, method: HTTPMethod(rawValue: request.method), headers: headers,
            body: request.body.map { .bytes($0) })
    }

    package func roomForPaidReply() -> ReplyRoom? { memory.roomForPaidReply() }

    private func url(of request: UpstreamRequest, at provider: String) -> String {
        let access = providers[provider]
        let url = request.url ?? (access?.baseURL ?? "") + request.path
        guard case .query(let name) = access?.authentication, let token = access?.token else { return url }
        return url + (url.contains("?") ? "&" : "?") + name + "=" + token.percentEncoded()
    }

    private func headers(of request: UpstreamRequest, to provider: String) -> HTTPHeaders {
        let access = providers[provider]
        var headers = HTTPHeaders((access?.headers ?? [:]).map { ($0.key, $0.value) })
        for (name, value) in request.headers { headers.replaceOrAdd(name: name, value: value) }
        headers.replaceOrAdd(name: "Accept", value: "application/json")
        headers.replaceOrAdd(name: "Accept-Encoding", value: "identity")
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

extension UpstreamReply {
    /// Whether the body is a JSON object or list from its first character to its last.
    fileprivate var isWholeDocument: Bool {
        // A body that cannot be read is no document.
        switch try? JSONValue(parsing: body, limits: .lenient) {
        case .object, .array: true
        case nil, .null, .bool, .number, .string: false
        }
    }
}
