import AsyncHTTPClient
import BoundedMemory
import ContentCoding
package import NIOCore
import NIOHTTP1
package import ProviderCatalog
package import TaskModel
import Text
import VerbatimJSON

/// Sends one HTTP request to a provider and returns its reply. Never resends a request, never follows a redirect.
package struct UpstreamHTTP: UpstreamTransport {
    /// The base URL of a provider, and the credentials of one of its accounts.
    package struct Access: Sendable {
        /// Without a trailing slash.
        package let baseURL: String
        /// The bearer token or key pair, if one is set.
        package let token: String?
        /// How requests contain the token.
        package let authentication: Authentication
        /// Additional header fields of every request.
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

    /// The default of `upstream.max_reply_bytes`, enough for a minute of video in base64.
    package static let defaultMaxReplyBytes = 32 << 20

    /// How requests reach providers. A change needs new connections.
    package struct Connections: Sendable, Hashable {
        package var proxies: ProxySettings
        package var trust: TrustSettings
        /// Must be below the timeout of every paid request.
        package var connectTimeout: Duration

        package init(
            proxies: ProxySettings = .none, trust: TrustSettings = .system, connectTimeout: Duration = .seconds(10)
        ) {
            self.proxies = proxies
            self.trust = trust
            self.connectTimeout = connectTimeout
        }
    }

    @Current var accounts: [ProviderAccount: Access]
    let pool: ClientPool
    private let eventLoopGroup: any EventLoopGroup
    @Current private var maxReplyBytes: Int
    private let memory: ReplyMemory
    let now: @Sendable () -> Timestamp
    private let requestSent: @Sendable (_ isPaid: Bool) -> Void

    /// Opens the clients. `requestSent` is called after the last byte of a request is written.
    package init(
        accounts: Current<[ProviderAccount: Access]>, eventLoopGroup: any EventLoopGroup,
        connections: Connections = Connections(), maxReplyBytes: Current<Int> = Current(always: defaultMaxReplyBytes),
        memory: ReplyMemory = ReplyMemory(), now: @escaping @Sendable () -> Timestamp,
        requestSent: @escaping @Sendable (_ isPaid: Bool) -> Void = { _ in }
    ) {
        _accounts = accounts
        self.eventLoopGroup = eventLoopGroup
        _maxReplyBytes = maxReplyBytes
        self.memory = memory
        self.now = now
        self.requestSent = requestSent
        pool = ClientPool(connections, eventLoopGroup: eventLoopGroup)
    }

    /// Sends later requests over these connections. Requests in flight finish on the former ones.
    package func connect(_ connections: Connections) { pool.use(connections) }

    /// Closes all connections.
    package func shutdown() async throws { try await pool.shutdown() }

    package func send(
        _ request: UpstreamRequest, by account: ProviderAccount, isPaid: Bool, timeout: Duration
    ) async throws(UpstreamTransportError) -> UpstreamReply {
        // One request uses one version of everything, even if a reload happens meanwhile.
        let (access, clients, maxReplyBytes) = (accounts[account], pool.current, maxReplyBytes)
        try request.check(baseURL: access?.baseURL)
        let collector = ReplyCollector(maxBytes: maxReplyBytes, memory: memory, isReserved: isPaid, now: now) {
            [requestSent] in requestSent(isPaid)
        }
        let address = url(of: request, at: access)
        let route = clients.route(to: address)
        let sending: HTTPClient.Request
        do {
            sending = try self.sending(request, address, route, to: access)
        } catch {
            // The redacted text omits credentials, which the URL may contain.
            let address = request.url ?? (access?.baseURL ?? "") + request.path
            throw .notSent("\(address) is not a valid URL")
        }
        let outcome: Result<UpstreamReply, any Error>
        do {
            // On one event loop, all events of a request are ordered: a timeout that finds it waiting for a
            // connection prevents its sending. Queries may use any free connection instead.
            let task = clients.client(route, for: isPaid ? .paid : .free).execute(
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
            if case .forwarding(let proxy) = route, reply.status == 407 {
                throw .notSent("the proxy \(proxy.description) rejected the credentials")
            }
            return try decoded(reply, maxBytes: maxReplyBytes)
        case .failure(let error):
            // A complete JSON document counts as a whole reply, even if its connection ended improperly.
            if !(error is ReplyCollector.ReplyTooLarge), !(error is SpillQueue.Unreadable),
                let head = collector.received,
                let whole = try? await collector.complete(head)
            {
                let reply = try decoded(whole, maxBytes: maxReplyBytes)
                if reply.isWholeDocument { return reply }
            }
            throw UpstreamTransportError(
                translating: error, hasSentHead: collector.hasSentHead, isInOrder: isPaid, route: route,
                certificate: await certificateProblem(error, address, route, clients), maxBytes: maxReplyBytes)
        }
    }

    /// The problem with the certificate of the URL's host; nil if the error is about something else.
    private func certificateProblem(
        _ error: any Error, _ url: String, _ route: UpstreamClients.Route, _ clients: UpstreamClients
    ) async -> String? {
        guard var problem = CertificateProblem(error, at: now()), let host = URLAuthority(url)?.host else { return nil }
        if problem == .unknownAuthority {
            // Shows the host only, because a URL may contain the token.
            let port = URLAuthority(url)?.hostField ?? host
            let validity = await clients.certificateValidity(of: "https://\(port)/", on: route)
            problem = CertificateProblem(error, validity: validity, at: now()) ?? problem
        }
        let way =
            switch route {
            case .direct: ""
            case .tunnel(let proxy), .forwarding(let proxy): ", seen through the proxy \(proxy.description),"
            }
        return "the certificate of \(host)\(way) is not trusted: \(problem.reason)"
    }

    /// Decodes the content codings. If that fails, returns the reply unchanged: its status may be enough.
    private func decoded(_ reply: UpstreamReply, maxBytes: Int) throws(UpstreamTransportError) -> UpstreamReply {
        do throws(ContentCoding.Failure) {
            let body = try ContentCoding.decode(
                reply.body, encodings: reply.headers["content-encoding"], maxBytes: maxBytes)
            var headers = reply.headers
            headers["content-encoding"] = nil
            return reply.replacing(headers: headers, body: body)
        } catch .tooLarge {
            throw .tooLarge(maxBytes: maxBytes)
        } catch {
            return reply
        }
    }

    private func sending(
        _ request: UpstreamRequest, _ address: String, _ route: UpstreamClients.Route, to access: Access?
    ) throws -> HTTPClient.Request {
        var address = address
        var headers = headers(of: request, to: access)
        if case .forwarding(let proxy) = route, let target = URLAuthority(address) {
            // The client connects to the proxy, so `Host` names the target.
            headers.replaceOrAdd(name: "Host", value: target.hostField)
            let rest = address.dropFirst("http://".count).drop { !"/?#".contains($0) }
            address = "http://\(proxy.host.contains(":") ? "[\(proxy.host)]" : proxy.host):\(proxy.port)\(rest)"
        }
        return try HTTPClient.Request(
            url: address, method: HTTPMethod(rawValue: request.method), headers: headers,
            body: request.body.map { body(of: $0, permittedBy: request.permit) })
    }

    /// The body, which is written only if the permit has not ended by then. The connection is open at that moment, and the
    /// head is written; without its body the request is not complete.
    private func body(of bytes: [UInt8], permittedBy permit: SendPermit) -> HTTPClient.Body {
        var body = HTTPClient.Body.bytes(bytes)
        body.stream = { [eventLoopGroup, write = body.stream] writer in
            do throws(UpstreamTransportError) { try permit.check() } catch {
                return eventLoopGroup.any().makeFailedFuture(error)
            }
            return write(writer)
        }
        return body
    }

    package func roomForPaidReply() -> ReplyRoom? { memory.roomForPaidReply() }

    func url(of request: UpstreamRequest, at access: Access?) -> String {
        let url = request.url ?? (access?.baseURL ?? "") + request.path
        guard case .query(let name) = access?.authentication, let token = access?.token else { return url }
        return url + (url.contains("?") ? "&" : "?") + name + "=" + token.percentEncoded()
    }

    private func headers(of request: UpstreamRequest, to access: Access?) -> HTTPHeaders {
        var headers = HTTPHeaders((access?.headers ?? [:]).map { ($0.key, $0.value) })
        for (name, value) in request.headers { headers.replaceOrAdd(name: name, value: value) }
        headers.replaceOrAdd(name: "Accept", value: "application/json")
        headers.replaceOrAdd(name: "Accept-Encoding", value: "identity")
        headers.replaceOrAdd(name: "User-Agent", value: "pollux")
        if request.body != nil {
            headers.replaceOrAdd(name: "Content-Type", value: request.contentType ?? "application/json")
        }
        if let credential = access?.credential(at: now()) {
            headers.replaceOrAdd(name: credential.name, value: credential.value)
        }
        return headers
    }
}

extension UpstreamHTTP.Access {
    /// The header field that contains the token; nil if it goes elsewhere or is not set.
    package func credential(at now: Timestamp) -> (name: String, value: String)? {
        guard let token else { return nil }
        switch authentication {
        case .header(let name, let prefix): return (name, prefix + token)
        case .signedToken(let lifetime):
            return SignedToken.make(from: token, lifetime: lifetime, now: now).map { ("Authorization", "Bearer " + $0) }
        case .query, .none: return nil
        }
    }
}

extension UpstreamReply {
    /// Whether the whole body is one JSON object or array.
    fileprivate var isWholeDocument: Bool {
        switch try? JSONValue(parsing: body, limits: .lenient) {
        case .object, .array: true
        case nil, .null, .bool, .number, .string: false
        }
    }
}
