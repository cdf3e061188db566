import HTTPTypes
import Hummingbird
import LocalAPI
import LocalAPIContract
import NIOCore
import TaskEngine
import TaskModel
import VerbatimJSON

/// PageRoutes serve the page, begin and end sessions, and sign addresses of files.
struct PageRoutes {
    let files: PageFiles
    let sessions: DashboardSessions
    let links: MediaLinks
    let artefacts: ArtefactService?
    let version: String
    /// The local API.
    let local: any HTTPResponder<APIContext>

    /// The most results in one request for addresses.
    private static let mostLinks = 200
    /// The largest body of a request, in bytes.
    private static let maxBodyBytes = 64 << 10

    func router() -> Router<APIContext> {
        let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: ProblemMiddleware())
        router.get("/") { request, _ in try file("index.html", request) }
        router.get("/assets/{name}") { request, context in
            try file(context.parameters.require("name"), request)
        }
        router.post("/dashboard/session") { request, _ in try await begin(request) }
        router.delete("/dashboard/session") { request, _ in
            sessions.end(try sessions.session(of: request))
            return Response(status: .noContent)
        }
        router.post("/dashboard/media") { request, _ in
            _ = try sessions.session(of: request)
            return try await sign(request)
        }
        router.get("/dashboard/media/{task}/{index}") { request, context in try await media(request, context) }
        return router
    }

    private func file(_ name: String, _ request: Request) throws -> Response {
        guard let response = files.response(name, to: request) else {
            throw Problem(
                .notFound, ProblemCode.noSuchRoute, title: "File not found", "The page has no file of that name.")
        }
        return response
    }

    // MARK: Sessions

    private func begin(_ request: Request) async throws -> Response {
        guard let code = try await json(request)["code"]?.string, let made = sessions.begin(with: code) else {
            throw Problem(
                .unauthorized, "code_not_valid", title: "The code is not valid",
                "A code works once, for a minute. Run `pollux open` for another one.")
        }
        let document: JSONValue = [
            "token": .string(made.token), "read_only": .bool(made.session.isReadOnly), "version": .string(version),
        ]
        return response(document)
    }

    // MARK: Files

    private func sign(_ request: Request) async throws -> Response {
        guard let results = try await json(request)["results"]?.array, (1...Self.mostLinks).contains(results.count)
        else {
            throw Problem(
                .unprocessableContent, ProblemCode.invalidField, title: "Invalid request",
                "results must be a list of 1 to \(Self.mostLinks) results, each with its task and its index.",
                members: [("fields", ["results"])])
        }
        let expiry = links.expiry
        let urls = try results.map { result throws(Problem) -> JSONValue in
            guard let task = result["task"]?.string.flatMap({ TaskID($0) }),
                let index = result["index"]?.number?.integer, (0...100_000).contains(index)
            else {
                throw Problem(
                    .unprocessableContent, ProblemCode.invalidField, title: "Invalid request",
                    "Each of results must have the whole id of a task as task, and a place from 0 as index.",
                    members: [("fields", ["results"])])
            }
            return .string(links.url(of: MediaLinks.Target(task: task, index: Int(index)), until: expiry))
        }
        return response(["urls": .array(urls), "expires_at": .string(expiry.rfc3339)])
    }

    /// Serves the saved file of a result, as the local API does.
    private func media(_ request: Request, _ context: APIContext) async throws -> Response {
        let query = request.uri.queryParameters
        guard
            let target = links.target(
                path: request.uri.path, expires: query["expires"].map(String.init) ?? "",
                signature: query["signature"].map(String.init) ?? "")
        else {
            throw Problem(
                .forbidden, "link_not_valid", title: "The address is not valid",
                "The address of a file works for ten minutes, and only as it was made. Load the page again.")
        }
        guard let object = try await artefacts?.object(of: target.task, at: target.index) else {
            throw Problem(
                .notFound, "artefact_not_found", title: "File not found",
                "This result has no file on disk. `pollux fetch` fetches it, if the provider still has it.")
        }
        var head = request.head
        head.path = LocalAPIRoute.artefact.path(object.sha256)
        return try await local.respond(to: Request(head: head, body: request.body), context: context)
    }

    // MARK: Documents

    private func json(_ request: Request) async throws -> JSONValue {
        let body = try await request.body.collect(upTo: Self.maxBodyBytes)
        do throws(JSONSyntaxError) {
            return try JSONValue(parsing: body.readableBytesView)
        } catch {
            throw Problem(.badRequest, ProblemCode.invalidJSON, title: "Invalid JSON", error.message)
        }
    }

    private func response(_ document: JSONValue) -> Response {
        Response(
            status: .ok, headers: [.contentType: MediaType.json],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: document.utf8)))
    }
}

extension DashboardSessions {
    /// The session of the request's token. Throws the reply 401 if there is none.
    func session(of request: Request) throws(Problem) -> Session {
        let words = request.headers[.authorization]?.split(separator: " ") ?? []
        if words.count == 2, words[0].lowercased() == "bearer", let session = session(of: String(words[1])) {
            return session
        }
        throw Problem(
            .unauthorized, "session_ended", title: "No session",
            "This session has ended, or there was none. Run `pollux open` for another one.")
    }
}
