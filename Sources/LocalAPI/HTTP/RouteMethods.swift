package import HTTPTypes
import Hummingbird
package import LocalAPIContract
import VerbatimJSON

extension LocalAPIRoute {
    /// The methods of this route.
    package var methods: [HTTPRequest.Method] {
        switch self {
        case .tasks, .restore: [.get, .post]
        case .adopt, .approve, .budget, .cancel, .collect, .reopen, .retry, .resolve, .pause, .resume, .resumeAll,
            .backup, .doctor, .reload, .prune, .reconcile, .pin, .unpin, .delete, .fetchResults, .replay,
            .testDestination, .gatewayTokens, .gatewayTokenRemoval, .dashboardLogins:
            [.post]
        case .artefact, .task, .taskCount, .labels, .events, .stream, .endpoints, .endpoint, .status, .metrics, .health,
            .readiness,
            .description, .notifications, .deadLetters, .gateway, .spend, .budgets:
            [.get]
        }
    }

    /// The path in the router's syntax.
    var routerPath: RouterPath { RouterPath(rawValue) }
}

extension LocalAPIRoute {
    /// The first route that matches the path, for any method. `adopt` precedes `{id}`.
    package static func matching(_ path: String) -> LocalAPIRoute? {
        let segments = path.split(separator: "/")
        return allCases.first { route in
            let pattern = route.rawValue.split(separator: "/")
            return pattern.count == segments.count
                && zip(pattern, segments).allSatisfy { $0.first == "{" || $0 == $1 }
        }
    }
}

extension Problem {
    /// The problem of a request without a route: 405 with the allowed methods if the path is known, else 404.
    static func notRouted(_ request: Request) -> Problem {
        guard let route = LocalAPIRoute.matching(request.uri.path) else {
            return Problem(
                .notFound, ProblemCode.noSuchRoute, title: "Route not found",
                "There is no route \(request.uri.path). GET /openapi.json describes every route.")
        }
        let possible = route.methods + (route.methods.contains(.get) ? [.head] : [])
        let names = possible.map(\.rawValue).joined(separator: ", ")
        return Problem(
            .methodNotAllowed, ProblemCode.methodNotAllowed, title: "Method not allowed",
            "\(request.uri.path) allows \(names), not \(request.method.rawValue).",
            members: [("allow", .string(names))])
    }
}
