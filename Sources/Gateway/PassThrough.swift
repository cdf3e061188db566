import AsyncAlgorithms
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import ProviderCatalog
import Synchronization
import TaskModel
import UpstreamHTTP

/// PassThrough passes on what submits or polls no task, as a stream in both directions. Nothing is repeated.
struct PassThrough: Sendable {
    let transport: any PassingTransport
    @Current var redactor: SecretRedactor
    let logger: Logger
    private let logged = PassedPaths()

    init(transport: any PassingTransport, redactor: Current<SecretRedactor>, logger: Logger) {
        self.transport = transport
        _redactor = redactor
        self.logger = logger
    }

    /// Passes the request on; `path` is that of the target unless an id in it is ours.
    func response(
        to request: Request, of target: GatewayTarget, path: String, query: String, by account: ProviderAccount,
        until departure: Departure
    ) async throws(UpstreamTransportError) -> Response {
        if request.method == .post, logged.insert("\(target.provider.name) \(path)") {
            logger.notice(
                "POST \(path.prefix(200)) of \(target.provider.name) passes through the gateway. It is not a task, so a lost reply is lost."
            )
        }
        let length = request.headers[.contentLength].flatMap { Int($0) }
        let hasBody = length ?? 0 > 0 || request.headers[.transferEncoding] != nil
        let reply = try await transport.pass(
            PassedRequest(
                method: request.method.rawValue, target: path + (query.isEmpty ? "" : "?" + query),
                headers: PassedHeaders.endToEnd(
                    request.headers, without: CredentialPlaces(target.provider.authentication)), bodyLength: length),
            body: hasBody ? request.body : nil, by: account)
        var headers = HTTPFields()
        for (name, value) in PassedHeaders.ofReply(reply.headers) {
            guard let name = HTTPField.Name(name) else { continue }
            headers.append(HTTPField(name: name, value: redactor.redacted(value)))
        }
        headers[.durable] = "false"
        let known = reply.headers.first { $0.name.lowercased() == "content-length" }.flatMap { Int($0.value) }
        let isEmpty = request.method == .head || [204, 304].contains(reply.status)
        return Response(
            status: HTTPResponse.Status(code: reply.status), headers: headers,
            body: isEmpty
                ? ResponseBody()
                : ResponseBody(contentLength: known) { writer in
                    let parts = AsyncThrowingChannel<ByteBuffer, any Error>()
                    async let _ = departure.fill(parts, from: reply.body)
                    for try await part in parts { try await writer.write(part) }
                    try await writer.finish(nil)
                })
    }
}

/// The paths that were logged, each once.
private final class PassedPaths: Sendable {
    private static let most = 1_000
    private let paths = Mutex<Set<String>>([])

    /// False for one that was logged before, and if there are too many.
    func insert(_ path: String) -> Bool {
        paths.withLock { $0.count < Self.most && $0.insert(path).inserted }
    }
}

extension HTTPField.Name {
    /// Whether the gateway stored the task before it sent anything.
    static let durable = known("Pollux-Durable")
    /// The task of a submission or a poll.
    static let task = known("Pollux-Task")
    /// Whether the request was a retry, and got the task of an earlier one.
    static let joined = known("Pollux-Joined")
    /// `never` asks for a task of its own.
    static let join = known("Pollux-Join")
    static let shouldRetry = known("x-should-retry")
    static let retryCount = known("x-stainless-retry-count")
    static let readTimeout = known("x-stainless-read-timeout")
    /// The same from JavaScript, in whole seconds, for calls that have a timeout of their own.
    static let timeout = known("x-stainless-timeout")
    static let idempotencyKey = known("Idempotency-Key")

    private static func known(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is no name of a header field") }
        return name
    }
}
