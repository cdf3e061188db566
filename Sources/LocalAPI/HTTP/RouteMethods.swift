package import HTTPTypes
import Hummingbird
package import LocalAPIContract
import VerbatimJSON

extension LocalAPIRoute {
    /// What can be done at this path.
    package var methods: [HTTPRequest.Method] {
        switch self {
        case .tasks: [.get, .post]
        case .adopt, .cancel, .reopen, .resolve, .pause, .resume: [.post]
        case .task, .events, .endpoints, .endpoint, .status, .health, .readiness, .description: [.get]
        }
    }

    /// The path as the router writes it.
    var routerPath: RouterPath { RouterPath(rawValue) }
}

extension LocalAPIRoute {
    /// The route that the path is of, whatever the method; the first that fits, so `adopt` before `{id}`.
    static func matching(_ path: String) -> LocalAPIRoute? {
        let segments = path.split(separator: "/")
        return allCases.first { route in
            let pattern = route.rawValue.split(separator: "/")
            return pattern.count == segments.count
                && zip(pattern, segments).allSatisfy { $0.first == "{" || $0 == $1 }
        }
    }
}

extension Problem {
    /// That nothing answers such a request: 405 with the methods that are possible where the path is known, else 404.
    static func notRouted(_ request: Request) -> Problem {
        guard let route = LocalAPIRoute.matching(request.uri.path) else {
            return Problem(
                .notFound, ProblemCode.noSuchRoute, title: "There is no such route",
                "There is nothing at \(request.uri.path). GET /openapi.json describes every route.")
        }
        let possible = route.methods + (route.methods.contains(.get) ? [.head] : [])
        let names = possible.map(\.rawValue).joined(separator: ", ")
        return Problem(
            .methodNotAllowed, ProblemCode.methodNotAllowed, title: "The method is not possible here",
            "\(request.uri.path) knows \(names), not \(request.method.rawValue).",
            members: [("allow", .string(names))])
    }
}
