import HTTPTypes
package import Hummingbird
import NIOCore
import TaskEngine

/// What the route knows of its request: who sent it.
package struct CallbackContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    let address: SocketAddress?

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        address = source.channel.remoteAddress
    }
}

/// The one thing that strangers can do: deliver something to a token.
///
/// Every answer is a bare status. It tells a stranger nothing, and a provider all that it needs: 200 once the delivery is
/// on disk, 5xx and 429 to come again, 404 for all that is nobody's.
struct CallbackRoute: RouterMiddleware {
    typealias Context = CallbackContext

    let service: TaskService
    let book: AddressBook
    let limits: CallbackLimits

    func handle(
        _ request: Request, context: CallbackContext,
        next: @concurrent (Request, CallbackContext) async throws -> Response
    ) async throws -> Response {
        guard book.admit(context.address) else { return answer(.tooManyRequests, retryAfter: 5) }
        guard request.method == .post, let token = token(in: request.uri.path) else { return answer(.notFound) }
        do {
            let (body, reserved) = try await collect(request.body)
            defer { book.release(reserved) }
            let headers = Dictionary(
                request.headers.map { ($0.name.canonicalName, $0.value) }, uniquingKeysWith: { first, _ in first })
            return answer(try await service.deliver(body, headers: headers, to: token) ? .ok : .notFound)
        } catch let trouble as BodyTrouble {
            return answer(trouble == .tooLarge ? .contentTooLarge : .serviceUnavailable, retryAfter: 30)
        } catch is TaskServiceError {
            // Not on disk, so not acknowledged: whoever repeats deliveries will repeat this one, and polling goes on.
            return answer(.serviceUnavailable, retryAfter: 30)
        }
    }

    private func token(in path: String) -> String? {
        let prefix = "/callbacks/"
        guard path.hasPrefix(prefix) else { return nil }
        let token = path.dropFirst(prefix.count)
        return token.isEmpty || token.utf8.count > 256 || token.contains("/") ? nil : String(token)
    }

    private enum BodyTrouble: Error { case tooLarge, noRoom }

    /// All of the body, and how much memory was set aside for it.
    private func collect(_ body: RequestBody) async throws -> ([UInt8], reserved: Int) {
        var bytes: [UInt8] = []
        do {
            for try await part in body {
                guard bytes.count + part.readableBytes <= limits.maxBodyBytes else { throw BodyTrouble.tooLarge }
                guard book.reserve(part.readableBytes) else { throw BodyTrouble.noRoom }
                bytes += part.readableBytesView
            }
        } catch {
            book.release(bytes.count)
            throw error
        }
        return (bytes, bytes.count)
    }

    private func answer(_ status: HTTPResponse.Status, retryAfter: Int? = nil) -> Response {
        var headers: HTTPFields = [.connection: "close"]
        if status.kind != .successful, let retryAfter, status != .contentTooLarge {
            headers[.retryAfter] = String(retryAfter)
        }
        return Response(status: status, headers: headers)
    }
}
