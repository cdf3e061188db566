import HTTPTypes
import Hummingbird
import HummingbirdCore
import LocalAPI
import LocalAPIContract
import NIOCore
import TaskEngine
import TaskModel
import TaskStore

/// DashboardResponder answers every request to the dashboard: by the page's routes, or by the local API for a session.
struct DashboardResponder: HTTPResponder {
    let rules: RequestRules
    let sessions: DashboardSessions
    let actions: ActionLog
    let page: any HTTPResponder<APIContext>
    let local: any HTTPResponder<APIContext>

    func respond(to request: Request, context: APIContext) async throws -> Response {
        var response: Response
        if let refusal = rules.refusal(of: request.head) {
            response = ProblemMiddleware.response(
                Problem(.forbidden, "request_refused", title: "Request refused", refusal).document)
            // The rest of the request is not read.
            response.headers[.connection] = "close"
        } else if Self.isOfPage(request.uri.path) {
            response = try await page.respond(to: request, context: context)
        } else {
            response = try await forSession(request, context)
        }
        SecurityHeaders.add(to: &response.headers)
        return response
    }

    private static func isOfPage(_ path: String) -> Bool {
        let first = path.split(separator: "/").first
        return first == nil || first == "assets" || first == "dashboard"
    }

    /// Answers a request for the local API.
    private func forSession(_ request: Request, _ context: APIContext) async throws -> Response {
        let session: DashboardSessions.Session
        do throws(Problem) {
            session = try sessions.session(of: request)
            try Self.check(request, of: session)
        } catch {
            var response = ProblemMiddleware.response(error.document)
            if error.document.status == 401 { response.headers[.wwwAuthenticate] = "Bearer" }
            response.headers[.connection] = "close"
            return response
        }
        guard !request.method.onlyReads, LocalAPIRoute.matching(request.uri.path) != .doctor else {
            return ending(try await local.respond(to: request, context: context), with: session)
        }
        let source = ActionSource("dashboard")
        let response = try await actions.run(
            by: source, method: request.method.rawValue, path: request.uri.path, task: request.task,
            isDone: { $0.status.kind == .successful }
        ) {
            try await local.respond(to: request, context: context)
        }
        return acting(ending(response, with: session), by: source)
    }

    /// Throws if the session may not make the request.
    private static func check(_ request: Request, of session: DashboardSessions.Session) throws(Problem) {
        guard !request.method.onlyReads else { return }
        if session.isReadOnly {
            throw Problem(
                .forbidden, "read_only_session", title: "This session can only look",
                "It was opened with --read-only, so nothing was done. Run `pollux open` for a session that can act.")
        }
        if let route = LocalAPIRoute.matching(request.uri.path), onSocketOnly.contains(route) {
            throw Problem(
                .forbidden, "socket_only", title: "Not from a browser",
                "This makes a secret or writes files where the request says, so it is done through the socket only. Use the command line."
            )
        }
    }

    /// What outlasts a session, or reaches beyond Pollux.
    private static let onSocketOnly: Set<LocalAPIRoute> = [
        .dashboardLogins, .gatewayTokens, .gatewayTokenRemoval, .backup,
    ]

    /// The reply, whose stream ends with the session. Short replies are written at once.
    private func ending(_ response: Response, with session: DashboardSessions.Session) -> Response {
        guard response.body.contentLength == nil else { return response }
        var response = response
        response.body = response.body.map { [sessions] part in
            guard sessions.goesOn(session) else { throw SessionEnded() }
            return part
        }
        return response
    }

    /// The reply, if what it says is done while it is written, as for many submissions at once.
    private func acting(_ response: Response, by source: ActionSource) -> Response {
        guard response.body.contentLength == nil else { return response }
        var response = response
        response.body = ResponseBody { [body = response.body] writer in
            try await ActionSource.$current.withValue(source) { try await body.write(writer) }
        }
        return response
    }
}

extension Request {
    /// The task that the path names by its whole id.
    fileprivate var task: TaskID? {
        let segments = uri.path.split(separator: "/")
        return segments.count > 2 && segments[1] == "tasks" ? TaskID(String(segments[2])) : nil
    }
}

/// A stream whose session has ended.
private struct SessionEnded: Error {}
