import BoundedMemory
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ProviderCatalog
import TaskEngine
import TaskModel
import TaskStore
import VerbatimJSON

/// Answers the requests of local programs: submits and polls from the store, everything else by passing it through.
struct GatewayRoute: RouterMiddleware {
    typealias Context = GatewayContext

    let service: GatewayService
    /// Nil if there is no place for files.
    let artefacts: ArtefactService?
    let files = FileIO()
    @Current var settings: GatewaySettings
    let host: String
    let scheme: String
    let passThrough: PassThrough
    let time: any TimeSource
    let logger: Logger
    private let bodies = ByteBudget(capacity: Gateway.maxBodyBytesAtOnce)

    init(
        service: GatewayService, artefacts: ArtefactService?, settings: Current<GatewaySettings>, host: String,
        scheme: String, passThrough: PassThrough, time: any TimeSource, logger: Logger
    ) {
        self.service = service
        self.artefacts = artefacts
        _settings = settings
        self.host = host
        self.scheme = scheme
        self.passThrough = passThrough
        self.time = time
        self.logger = logger
    }

    func handle(
        _ request: Request, context: GatewayContext,
        next: @concurrent (Request, GatewayContext) async throws -> Response
    ) async throws -> Response {
        let settings = settings
        if let refusal = AccessRules(listensOn: host, hosts: settings.hosts).refusal(of: request.head) {
            return Self.plain(.forbidden, "request_refused", refusal)
        }
        guard let target = GatewayTarget(request.head, scheme: scheme, catalog: service.catalog) else {
            return Self.plain(
                .notFound, "unknown_provider",
                "The path must begin with the name of a provider, as in /openai/v1, and lead to nothing but that. `pollux gateway env` shows them."
            )
        }
        var request = request
        if let name = target.namedBy {
            var head = request.head
            head.headerFields[name] = nil
            request = Request(head: head, body: request.body)
        }
        let headers = request.headers.joined
        let credential = LocalCredential(
            headers: headers, query: target.query, in: CredentialPlaces(target.provider.authentication))
        guard let program = credential.texts.lazy.compactMap({ service.tokens.name(of: $0) }).first else {
            let what = credential.texts.isEmpty ? "The request has no token." : "This is no token of the gateway."
            return response(
                target.provider.gateway.error(
                    401, code: "invalid_gateway_token",
                    message:
                        "\(what) Programs send a token of the gateway, never the provider's: `pollux gateway token add NAME` makes one."
                ), of: target)
        }
        var call = GatewayCall(
            request: request, headers: headers, target: target, query: credential.query, program: program,
            context: context, settings: settings)
        do throws(GatewayFailure) {
            return try await answer(&call)
        } catch {
            return try await response(to: error, of: target, over: context.channel)
        }
    }

    // MARK: What a request is

    private func answer(_ call: inout GatewayCall) async throws(GatewayFailure) -> Response {
        guard let operation = try await operation(of: &call) else { return try await pass(call) }
        switch operation.operation {
        case .submit(let request, let isInline):
            guard let endpoint = operation.endpoints.first else { return try await pass(call) }
            let submission = SubmissionRoute(service: service, time: time)
            return try await submission.response(
                to: call, of: endpoint, request: request, isInline: isInline, over: call.context.channel)
        case .poll(let id): return try await poll(id, of: operation.endpoints, call)
        case .polls(let ids): return try await poll(ids, of: operation.endpoints, call)
        case .cancel(let id): return try await cancel(id, of: operation.endpoints, call)
        case .result(let id): return try await result(of: id, of: operation.endpoints, call)
        }
    }

    /// What the request asks for; nil for one that passes through. The body is read only where it matters.
    private func operation(
        of call: inout GatewayCall
    ) async throws(GatewayFailure) -> (operation: GatewayOperation, endpoints: [EndpointProfile])? {
        let catalog = service.catalog
        let provider = call.target.provider.name
        let path = call.target.path
        let isRead = catalog.endpoints.contains { $0.provider == provider && $0.dialect.gateway.reads(path) }
        if call.request.method == .post, isRead { try await readBody(of: &call) }
        guard !call.asksForStream else { return nil }
        return catalog.match(
            IncomingRequest(
                method: call.request.method.rawValue, path: path, headers: call.headers,
                fields: call.body?.fields), of: provider)
    }

    private func readBody(of call: inout GatewayCall) async throws(GatewayFailure) {
        let limit = call.settings.maxBodyBytes
        let length = call.request.headers[.contentLength].flatMap { Int($0) }
        guard length ?? 0 <= limit else { throw .bodyTooLarge(limit) }
        guard let room = bodies.reserve(length ?? limit) else { throw .noRoom }
        call.room = room
        let bytes: ByteBuffer
        do {
            bytes = try await Self.collect(call.request.body, upTo: limit, by: time.now() + .seconds(60), on: time)
        } catch let error as any HTTPResponseError where error.status == .contentTooLarge {
            throw .bodyTooLarge(limit)
        } catch {
            throw .brokenBody
        }
        if let exact = bodies.reserve(bytes.readableBytes) {
            room.release()
            call.room = exact
        }
        call.bytes = Array(bytes.readableBytesView)
        call.request.body = RequestBody(buffer: bytes)
        call.body = PassedBody(call.bytes, contentType: call.headers["content-type"] ?? "")
    }

    /// Reads a body. A program that takes too long for it loses its connection, so that it holds no memory.
    private static func collect(
        _ body: RequestBody, upTo limit: Int, by deadline: Timestamp, on time: any TimeSource
    ) async throws -> ByteBuffer {
        try await withThrowingTaskGroup(of: ByteBuffer?.self) { group in
            group.addTask { try await body.collect(upTo: limit) }
            group.addTask {
                await time.sleep(until: deadline)
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let bytes = first else { throw CancellationError() }
            return bytes
        }
    }

    // MARK: Passing through

    /// Passes the request on, with another path if that names one of our ids.
    func pass(
        _ call: GatewayCall, path: String? = nil, by account: ProviderAccount? = nil
    ) async throws(GatewayFailure) -> Response {
        guard call.settings.passesUnknown else {
            throw .notKnown("gateway.unknown is refuse, and this request submits or polls no task.")
        }
        let departure = Departure(over: call.context.channel)
        let account = account ?? service.account(of: nil, provider: call.target.provider.name)
        let response: Result<Response, UpstreamTransportError>? = await departure.unless { [passThrough] in
            do throws(UpstreamTransportError) {
                return .success(
                    try await passThrough.response(
                        to: call.request, of: call.target, path: path ?? call.target.path, query: call.query,
                        by: account,
                        until: departure))
            } catch {
                return .failure(error)
            }
        }
        switch response {
        case .success(let response): return response
        case .failure(let error): throw .upstream(error)
        case nil: throw .interrupted
        }
    }

    // MARK: Replies

    func response(
        _ reply: GatewayReply, of target: GatewayTarget, task: TaskID? = nil, headers others: HTTPFields = [:]
    ) -> Response { Self.response(reply, of: target, task: task, headers: others) }

    static func response(
        _ reply: GatewayReply, of target: GatewayTarget, task: TaskID? = nil, headers others: HTTPFields = [:]
    ) -> Response {
        let reply = target.rewritten(reply)
        var headers = others
        headers[.contentType] = reply.contentType
        if let task {
            headers[.task] = task.text
            headers[.durable] = "true"
        }
        return Response(
            status: HTTPResponse.Status(code: reply.status), headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: reply.body)))
    }

    private static func plain(_ status: HTTPResponse.Status, _ code: String, _ message: String) -> Response {
        let error: JSONValue = ["error": ["code": .string(code), "message": .string(message)]]
        return Response(
            status: status, headers: [.contentType: "application/json", .connection: "close"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: error.utf8)))
    }

    private func response(
        to failure: GatewayFailure, of target: GatewayTarget, over channel: any Channel
    ) async throws -> Response {
        guard let reply = failure.reply(in: target.provider.gateway) else {
            // The program must not take any reply for an answer about its task.
            try? await channel.close().get()
            throw ConnectionClosed()
        }
        var headers: HTTPFields = [:]
        if failure.leavesBodyUnread { headers[.connection] = "close" }
        if reply.status == 503 { headers[.retryAfter] = "1" }
        return response(reply, of: target, headers: headers)
    }
}

/// The connection was closed instead of a reply.
private struct ConnectionClosed: Error {}

/// One request with what is known of it.
struct GatewayCall {
    var request: Request
    /// By their names in small letters; repeated ones are joined.
    let headers: [String: String]
    let target: GatewayTarget
    /// Without a token.
    let query: String
    /// The name of the program's token.
    let program: String
    let context: GatewayContext
    let settings: GatewaySettings
    /// The body where it was read, and what it says.
    var bytes: [UInt8] = []
    var body: PassedBody?
    /// The memory for the body.
    var room: ByteBudget.Reservation?

    /// Whether the reply is a stream, which cannot be stored and repeated.
    var asksForStream: Bool {
        if body?.fields["stream"] == true { return true }
        let accept = headers["accept"]?.lowercased() ?? ""
        return accept.contains("application/x-ndjson") || accept.contains("text/event-stream")
    }
}

extension HTTPFields {
    /// The fields by their names in small letters. Repeated ones are a list (RFC 9110, section 5.3).
    var joined: [String: String] {
        Dictionary(map { ($0.name.canonicalName, $0.value) }) { "\($0), \($1)" }
    }
}
