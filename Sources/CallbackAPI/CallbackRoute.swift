import ContentCoding
import HTTPTypes
package import Hummingbird
import NIOCore
import TaskEngine

/// A request context that gives the route its connection.
package struct CallbackContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    let channel: any Channel

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }
}

/// Handles deliveries to a callback token, the only public operation.
///
/// Responses have no body, so they reveal nothing. 200 means that the delivery is on disk. 400, 429 and 5xx ask the
/// provider to repeat it. 404 means that the token is unknown.
struct CallbackRoute: RouterMiddleware {
    typealias Context = CallbackContext

    let receiver: CallbackReceiver
    let limiter: ClientLimiter
    let limits: CallbackLimits

    func handle(
        _ request: Request, context: CallbackContext,
        next: @concurrent (Request, CallbackContext) async throws -> Response
    ) async throws -> Response {
        guard limiter.admit(context.channel.remoteAddress) else { return answer(.tooManyRequests, retryAfter: 5) }
        guard let token = token(in: request.uri.path) else { return answer(.notFound) }
        do throws(TaskServiceError) {
            // Checks the token before reading the body, so that an unknown token uses no memory.
            guard try await receiver.isKnown(callbackToken: token) else { return answer(.notFound) }
            switch request.method {
            case .post, .put: return try await take(request, over: context.channel, for: token)
            // Some providers check the URL with GET or HEAD before they call it. Such a request is not a delivery.
            case .get, .head: return answer(.ok)
            case .options: return answer(.noContent, allowing: true)
            default: return answer(.methodNotAllowed, allowing: true)
            }
        } catch {
            // The delivery is not on disk, so it is not acknowledged. The provider may repeat it, and polling
            // continues.
            return answer(.serviceUnavailable, retryAfter: 30)
        }
    }

    /// The token after `/callbacks/` or after the public URL's path. Proxies may or may not strip that path.
    private func token(in path: String) -> String? {
        for prefix in [receiver.path, "/callbacks/"] where path.hasPrefix(prefix) {
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
        do throws(BodyOnDemandHandler.BodyError) {
            raw = try await body(over: channel)
        } catch {
            switch error {
            case .tooLarge: return answer(.contentTooLarge)
            case .noRoom: return answer(.serviceUnavailable, retryAfter: 30)
            case .broken: return answer(.badRequest)
            }
        }
        defer { limiter.release(raw.count) }
        // Repeated header fields are joined as a list (RFC 9110, section 5.3).
        let headers = Dictionary(
            request.headers.map { ($0.name.canonicalName, $0.value) }, uniquingKeysWith: { "\($0), \($1)" })
        let body = decode(raw, encodings: headers["content-encoding"])
        let expanded = body.encoded == nil ? 0 : body.content.count
        guard limiter.reserve(expanded) else { return answer(.serviceUnavailable, retryAfter: 30) }
        defer { limiter.release(expanded) }
        switch try await receiver.deliver(body, headers: headers, to: token) {
        case .taken: return answer(.ok)
        case .unreadable: return answer(.badRequest)
        case .unknownToken: return answer(.notFound)
        }
    }

    /// Reads the whole body. Its bytes are reserved; the caller releases them.
    private func body(over channel: any Channel) async throws(BodyOnDemandHandler.BodyError) -> [UInt8] {
        let promise = channel.eventLoop.makePromise(of: ByteBuffer.self)
        let asked = channel.eventLoop.makePromise(of: Void.self)
        // If the connection has ended, the event fails and so does the request for the body.
        asked.futureResult.cascadeFailure(to: promise)
        channel.triggerUserOutboundEvent(
            BodyOnDemandHandler.BodyRequest(limit: limits.maxBodyBytes, promise: promise), promise: asked)
        do {
            return Array(try await promise.futureResult.get().readableBytesView)
        } catch {
            throw error as? BodyOnDemandHandler.BodyError ?? .broken
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
