import HTTPTypes
import Hummingbird

/// Rejects requests without an accepted bearer token.
struct Authorization: RouterMiddleware {
    typealias Context = SandboxContext

    let provider: SimulatedProvider

    func handle(
        _ request: Request, context: SandboxContext,
        next: @concurrent (Request, SandboxContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        context.token = try token(in: request.headers[.authorization])
        return try await next(request, context)
    }

    private func token(in header: String?) throws(ProviderError) -> String {
        guard let header else { throw .authorizationMissing }
        let words = header.split(separator: " ")
        guard words.first?.lowercased() == "bearer" else { throw .authorizationMissing }
        guard words.count > 1 else { throw .noToken }
        let token = String(words[1])
        switch token {
        case "expired-token": throw .tokenExpired
        case "used-up-token": throw .usedUp
        case "throttled-token": throw .tooManyRequests
        default: break
        }
        guard provider.accepts(token) else { throw .invalidToken }
        return token
    }
}
