import Hummingbird
import Logging

/// Renders errors in the provider's form and counts them. Closes connections whose client has left.
struct ProviderErrorMiddleware: RouterMiddleware {
    typealias Context = SandboxContext

    let provider: SimulatedProvider

    func handle(
        _ request: Request, context: SandboxContext,
        next: @concurrent (Request, SandboxContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as ProviderError {
            return refuse(with: error, logger: context.logger)
        } catch let error as HTTPError where error.status == .notFound {
            return refuse(with: .noAPI, logger: context.logger)
        } catch is CancellationError {
            // The client of a delayed request left, or the server is shutting down.
            return try await BrokenConnection.close(context.channel)
        }
    }

    private func refuse(with error: ProviderError, logger: Logger) -> Response {
        provider.countRefused()
        logger.debug("Refused", metadata: ["code": "\(error.code)"])
        return .json(error.body(traceID: provider.freshTraceID()), status: error.status)
    }
}
