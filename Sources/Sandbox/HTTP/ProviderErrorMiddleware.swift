import Hummingbird
import Logging

/// Words every refusal as the provider does, and counts it; ends connections that nobody waits on.
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
            // A held request whose client left, or a shutdown: there is nobody to answer.
            return try await BrokenConnection.close(context.channel)
        }
    }

    private func refuse(with error: ProviderError, logger: Logger) -> Response {
        provider.countRefused()
        logger.debug("Refused", metadata: ["code": "\(error.code)"])
        return .json(error.body(traceID: provider.freshTraceID()), status: error.status)
    }
}
