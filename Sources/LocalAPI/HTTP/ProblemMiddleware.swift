import HTTPTypes
package import Hummingbird
package import LocalAPIContract
import Logging
import NIOCore
import TaskEngine
import VerbatimJSON

/// Writes every error as `application/problem+json`.
package struct ProblemMiddleware: RouterMiddleware {
    package init() {}

    package func handle(
        _ request: Request, context: APIContext,
        next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as Problem {
            return Self.response(error.document)
        } catch let error as TaskServiceError {
            return Self.response(Problem(error).document)
        } catch let error as ContractError {
            return Self.response(error.problem)
        } catch let error as any HTTPResponseError where error.status == .contentTooLarge {
            return Self.response(Problem.tooLarge.document)
        } catch let error as any HTTPResponseError where error.status == .notFound {
            return Self.response(Problem.notRouted(request).document)
        } catch let error as any HTTPResponseError where (400..<500).contains(error.status.code) {
            return Self.response(
                Problem(
                    error.status, "bad_request", title: "Bad request", "\(error)"
                ).document)
        } catch {
            context.logger.error("A route failed unexpectedly: \(error)")
            return Self.response(
                Problem(
                    .internalServerError, ProblemCode.internalError, title: "Internal error",
                    "The daemon failed in an unexpected way. Its log has the details."
                ).document)
        }
    }

    /// The reply of a problem.
    package static func response(_ problem: ProblemDocument) -> Response {
        var headers: HTTPFields = [.contentType: MediaType.problem]
        if problem.status == HTTPResponse.Status.methodNotAllowed.code, let allowed = problem.members["allow"]?.string {
            headers[.allow] = allowed
        }
        // The rest of the body is unread, so the connection cannot be reused.
        if problem.status == HTTPResponse.Status.contentTooLarge.code { headers[.connection] = "close" }
        if problem.code == ProblemCode.busy { headers[.retryAfter] = "1" }
        if problem.code == ProblemCode.tooManyStreams { headers[.retryAfter] = "10" }
        return Response(
            status: HTTPResponse.Status(code: problem.status), headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: problem.json.utf8)))
    }
}

extension Problem {
    static let tooLarge = tooLarge(for: LocalAPI.maxBodyBytes)

    static func tooLarge(for bytes: Int) -> Problem {
        Problem(
            .contentTooLarge, ProblemCode.bodyTooLarge, title: "Body too large",
            """
            A body may have at most \(bytes >> 20) MiB. Put large files where the provider can fetch them and send a URL.
            """)
    }
}
