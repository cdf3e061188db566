import HTTPTypes
import Hummingbird
import LocalAPIContract
import Logging
import NIOCore
import TaskEngine
import VerbatimJSON

/// Writes every error as `application/problem+json`, whatever threw it.
struct ProblemMiddleware: RouterMiddleware {
    func handle(
        _ request: Request, context: APIContext,
        next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as Problem {
            return response(error.document)
        } catch let error as TaskServiceError {
            return response(Problem(error).document)
        } catch let error as ContractError {
            return response(error.problem)
        } catch let error as any HTTPResponseError where error.status == .contentTooLarge {
            return response(Problem.tooLarge.document)
        } catch let error as any HTTPResponseError where error.status == .notFound {
            return response(Problem.notRouted(request).document)
        } catch let error as any HTTPResponseError where (400..<500).contains(error.status.code) {
            return response(
                Problem(
                    error.status, "bad_request", title: "The request was not understood", "\(error)"
                ).document)
        } catch {
            context.logger.error("A route failed in a way that it should not: \(error)")
            return response(
                Problem(
                    .internalServerError, ProblemCode.internalError, title: "A bug of the daemon",
                    "Something went wrong in the daemon. Its log tells more."
                ).document)
        }
    }

    private func response(_ problem: ProblemDocument) -> Response {
        var headers: HTTPFields = [.contentType: MediaType.problem]
        if problem.status == HTTPResponse.Status.methodNotAllowed.code, let allowed = problem.members["allow"]?.string {
            headers[.allow] = allowed
        }
        // After a body that was not read to its end the connection cannot be used again.
        if problem.status == HTTPResponse.Status.contentTooLarge.code { headers[.connection] = "close" }
        if problem.code == ProblemCode.busy { headers[.retryAfter] = "1" }
        return Response(
            status: HTTPResponse.Status(code: problem.status), headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: problem.json.utf8)))
    }
}

extension Problem {
    static let tooLarge = tooLarge(for: LocalAPI.maxBodyBytes)

    static func tooLarge(for bytes: Int) -> Problem {
        Problem(
            .contentTooLarge, ProblemCode.bodyTooLarge, title: "The body is too large",
            """
            A body may have at most \(bytes >> 20) MiB. Put large files where the provider can fetch them and send a URL.
            """)
    }
}
