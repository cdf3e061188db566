import ContentCoding
import HTTPTypes
package import Hummingbird
import NIOCore
import TaskEngine

/// What the route knows of its request: who sent it, and over what.
package struct CallbackContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    let channel: any Channel

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }
}

/// The one thing that strangers can do: deliver something to a token.
///
/// Every answer is a bare status. It tells a stranger nothing, and a provider all that it needs: 200 once the delivery is
/// on disk, 400, 429 and 5xx to come again, 404 for an unknown token.
struct CallbackRoute: RouterMiddleware {
    typealias Context = CallbackContext

    let service: TaskService
    let limiter: ClientLimiter
    let limits: CallbackLimits

    func handle(
        _ request: Request, context: CallbackContext,
        next: @concurrent (Request, CallbackContext) async throws -> Response
    ) async throws -> Response {
        guard limiter.admit(context.channel.remoteAddress) else { return answer(.tooManyRequests, retryAfter: 5) }
        guard let token = token(in: request.uri.path) else { return answer(.notFound) }
        do throws(TaskServiceError) {
            // Before the body is asked for, so that a request with an unknown token takes no memory.
            guard try await service.isKnown(callbackToken: token) else { return answer(.notFound) }
            switch request.method {
            case .post, .put: return try await take(request, over: context.channel, for: token)
            // Some providers look whether there is anything at an address before they call it; that delivers nothing.
            case .get, .head: return answer(.ok)
            case .options: return answer(.noContent, allowing: true)
            default: return answer(.methodNotAllowed, allowing: true)
            }
        } catch {
            // Not on disk, so not acknowledged: whoever repeats deliveries will repeat this one, and polling goes on.
            return answer(.serviceUnavailable, retryAfter: 30)
        }
    }

    /// The token in a path below `/callbacks`, or below the path of the public URL: some proxies strip that, some do not.
    private func token(in path: String) -> String? {
        for prefix in [service.callbackPath, "/callbacks/"] where path.hasPrefix(prefix) {
            let token = path.dropFirst(prefix.count)
            guard !token.isEmpty, token.utf8.count <= 256, !token.contains("/") else { continue }
            return String(token)
        }
        return nil
    }

    private func take(
        _ request: Request, over channel: any Channel, for token: String
    ) async throws(TaskServiceError) -> Response {
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limits.maxBodyBytes {
            return answer(.contentTooLarge)
        }
        let raw: [UInt8]
        do throws(DeliveryGate.BodyError) {
            raw = try await body(over: channel)
        } catch {
            switch error {
            case .tooLarge: return answer(.contentTooLarge)
            case .noRoom: return answer(.serviceUnavailable, retryAfter: 30)
            case .broken: return answer(.badRequest)
            }
        }
        defer { limiter.release(raw.count) }
        // A field that is given twice is a list (RFC 9110, section 5.3).
        let headers = Dictionary(
            request.headers.map { ($0.name.canonicalName, $0.value) }, uniquingKeysWith: { "\($0), \($1)" })
        let body = decode(raw, encodings: headers["content-encoding"])
        let expanded = body.encoded == nil ? 0 : body.content.count
        guard limiter.reserve(expanded) else { return answer(.serviceUnavailable, retryAfter: 30) }
        defer { limiter.release(expanded) }
        switch try await service.deliver(body, headers: headers, to: token) {
        case .taken: return answer(.ok)
        case .unreadable: return answer(.badRequest)
        case .unknownToken: return answer(.notFound)
        }
    }

    /// All of the body, whose size is reserved.
    private func body(over channel: any Channel) async throws(DeliveryGate.BodyError) -> [UInt8] {
        let promise = channel.eventLoop.makePromise(of: ByteBuffer.self)
        let asked = channel.eventLoop.makePromise(of: Void.self)
        // Where the connection has ended, the request has no effect.
        asked.futureResult.cascadeFailure(to: promise)
        channel.triggerUserOutboundEvent(
            DeliveryGate.BodyRequest(limit: limits.maxBodyBytes, promise: promise), promise: asked)
        do {
            return Array(try await promise.futureResult.get().readableBytesView)
        } catch {
            throw error as? DeliveryGate.BodyError ?? .broken
        }
    }

    private func decode(_ raw: [UInt8], encodings: String?) -> CallbackBody {
        do throws(ContentCoding.Failure) {
            let content = try ContentCoding.decode(raw, encodings: encodings, maxBytes: limits.maxBodyBytes)
            return content == raw ? CallbackBody(raw) : CallbackBody(content, encodedAs: raw)
        } catch {
            return CallbackBody(unreadable: raw, because: error.problem)
        }
    }

    private func answer(
        _ status: HTTPResponse.Status, retryAfter: Int? = nil, allowing: Bool = false
    ) -> Response {
        var headers: HTTPFields = [.connection: "close"]
        headers[.retryAfter] = retryAfter.map { String($0) }
        if allowing { headers[.allow] = "POST, PUT, GET, HEAD, OPTIONS" }
        return Response(status: status, headers: headers)
    }
}
