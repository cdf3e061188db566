import Hummingbird
import LocalAPIContract
import TaskEngine
import TaskModel
import Text
import VerbatimJSON

/// EndpointRoutes show, pause and resume endpoints.
struct EndpointRoutes {
    let endpoints: EndpointService

    func add(to router: Router<APIContext>) {
        router.get(LocalAPIRoute.endpoints.routerPath) { request, _ in
            try request.refuseQuery()
            let reports = try await endpoints.endpoints()
            return Response(json: EndpointPage(endpoints: reports.map { EndpointDocument($0) }).json)
        }
        router.get(LocalAPIRoute.endpoint.routerPath) { request, context in
            try request.refuseQuery()
            return try await answer(context) { _ throws(TaskServiceError) in }
        }
        router.post(LocalAPIRoute.pause.routerPath) { request, context in
            try request.refuseQuery()
            return try await answer(context) { name throws(TaskServiceError) in try await endpoints.pause(name) }
        }
        router.post(LocalAPIRoute.resumeAll.routerPath) { request, _ in
            try request.refuseQuery()
            try await endpoints.resumeAll()
            return Response(
                json: EndpointPage(endpoints: try await endpoints.endpoints().map { EndpointDocument($0) }).json)
        }
        router.post(LocalAPIRoute.resume.routerPath) { request, context in
            let account = try QueryReader(request, knowing: ["account"]).one("account")
            return try await answer(context) { name throws(TaskServiceError) in
                try await endpoints.resume(name, account: account)
            }
        }
    }

    /// Applies the change to the endpoint in the path, then shows the endpoint.
    private func answer(
        _ context: APIContext, after change: (String) async throws(TaskServiceError) -> Void
    ) async throws -> Response {
        // The router does not decode segments, and an operation may contain escaped slashes.
        let (service, operation) = try (context.parameters.require("service"), context.parameters.require("operation"))
        let first = service.percentDecoded ?? service
        // `replicate:` and `predictions` are the two parts of a name without a slash.
        let name = first + (first.hasSuffix(":") ? "" : "/") + (operation.percentDecoded ?? operation)
        do throws(TaskServiceError) {
            try await change(name)
            return Response(json: EndpointDocument(try await endpoints.endpoint(name)).json)
        } catch {
            // The path names the endpoint, so an unknown one is 404 and not 422.
            let nearest: [EndpointName]
            switch error {
            case .unknownEndpoint(_, let names): nearest = names
            case .synchronousEndpoint: nearest = []
            default: throw error
            }
            throw Problem(
                .notFound, ProblemCode.endpointNotFound, title: "Endpoint not found", error.message,
                members: [("nearest", .array(nearest.map { .string($0.text) }))])
        }
    }
}
