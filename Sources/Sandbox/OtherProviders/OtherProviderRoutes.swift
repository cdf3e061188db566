import Foundation
import HTTPTypes
import Hummingbird
import Logging

/// The routes of the other providers, under their names.
struct OtherProviderRoutes: Sendable {
    static let all: [any OtherProvider] = [
        FalQueue(), ReplicatePredictions(), OpenAIVideos(), GoogleGemini(), RunwayTasks(),
    ]

    let provider: SimulatedProvider
    let caller: CallbackCaller
    let logger: Logger

    func add(to router: Router<SandboxContext>) {
        for other in Self.all {
            router.post(RouterPath("\(other.name)/**")) { request, context in
                try await submit(other, request: request, context: context)
            }
            router.get(RouterPath("\(other.name)/**")) { request, context in
                try await query(other, request: request, context: context)
            }
        }
    }

    private func submit(
        _ other: any OtherProvider, request: Request, context: SandboxContext
    ) async throws -> Response {
        var request = request
        let path = path(of: request, below: other)
        guard let token = other.token(in: request.headers) else {
            return refuse(other, .unauthorized, "unauthenticated")
        }
        if path.hasSuffix("/cancel") {
            logger.info("Asked to cancel", metadata: ["provider": "\(other.name)", "path": "\(path)"])
            return .json(other.cancelled(other.taskID(in: path) ?? ""))
        }
        guard other.isSubmission(path) else { return refuse(other, .notFound, "not_found") }
        var body = try await request.formOrJSONObject()
        // Controls are read from a member called `prompt`, so copy the provider's prompt there.
        if body["prompt"] == nil, let prompt = other.prompt(in: body) {
            body = body.appending(["prompt": .string(prompt)])
        }
        let submission: Submission
        do throws(ProviderError) {
            submission = try provider.submit(other.operation, body: body, token: token, origin: request.origin)
        } catch {
            return refuse(other, error.status, error.code, error.message)
        }
        logger.info(
            "Submit",
            metadata: [
                "provider": "\(other.name)", "submit": "\(submission.number)",
                "task_id": "\(submission.task?.identity.taskID ?? "none")",
                "fault": "\(submission.fault?.kind.rawValue ?? "none")",
            ])
        if let task = submission.task {
            let url = url(of: request, other)
            await caller.plan(
                task, to: other.callbackURL(in: body, query: request.uri.queryParameters), number: submission.number
            ) { call in
                other.callbackBody(task, call, at: url) ?? task.body(of: call)
            }
        }
        switch submission.fault?.kind {
        case .lostReply: return try await BrokenConnection.close(context.channel)
        case .hang, .hangBefore: return try await hang(submission.fault, request: request, context: context)
        case .badGatewayAfter, .badGatewayBefore: return .badGateway
        case .tooManyRequests, .tooManyRequestsRetryAfter, .busy:
            return refuse(other, .tooManyRequests, "rate_limit_exceeded")
        default: break
        }
        guard let task = submission.task else { return refuse(other, .internalServerError, "internal_error") }
        let isHeld = other.isHeld(body, path: path)
        if isHeld {
            let rest = task.finishedAt.timeIntervalSince(provider.now)
            try await request.hold(for: .seconds(max(0, rest)), on: provider.settings.clock)
        }
        let url = url(of: request, other)
        let document =
            isHeld
            ? other.answer(task, path: path, at: url, now: task.finishedAt).1
            : other.accepted(task, at: url, path: path)
        // A delayed request has consumed its connection's input, so the connection closes after the reply.
        let response = Response.json(document, headers: isHeld ? [.connection: "close"] : [:])
        if submission.fault?.kind == .resetReply {
            return BrokenConnection.halfReply(response, body: document.utf8Text, channel: context.channel)
        }
        return response
    }

    /// Sends no reply: holds the request until the client leaves or the duration ends, then closes.
    private func hang(
        _ fault: FaultPlan.Fault?, request: Request, context: SandboxContext
    ) async throws -> Response {
        try await request.hold(for: fault?.span ?? .zero, on: provider.settings.clock)
        return try await BrokenConnection.close(context.channel)
    }

    private func query(
        _ other: any OtherProvider, request: Request, context: SandboxContext
    ) async throws -> Response {
        let path = path(of: request, below: other)
        guard let token = other.token(in: request.headers) else {
            return refuse(other, .unauthorized, "unauthenticated")
        }
        if other.isFile(path) {
            return try await ResultRoutes(provider: provider, logger: logger).reply(to: request, context)
        }
        let fault: FaultPlan.Fault?
        do throws(ProviderError) {
            fault = try provider.receivePoll(.retrieve, token: token).fault
        } catch {
            return refuse(other, .tooManyRequests, "rate_limit_exceeded")
        }
        switch fault?.kind {
        case .pollError: return refuse(other, .internalServerError, "internal_error")
        case .pollBadGateway: return .badGateway
        case .pollTooManyRequests, .pollTooManyRequestsRetryAfter:
            return refuse(other, .tooManyRequests, "rate_limit_exceeded")
        case .pollHang: return try await hang(fault, request: request, context: context)
        case .pollLost, .pollReset: return try await BrokenConnection.close(context.channel)
        default: break
        }
        let tasks = provider.tasks(list: other.operation.list, token: token)
        let url = url(of: request, other)
        if let list = other.list(tasks, path: path, query: request.uri.queryParameters, at: url, now: provider.now) {
            return .json(list)
        }
        guard let task = other.taskID(in: path).flatMap({ provider.task($0, list: other.operation.list) }) else {
            return refuse(other, .notFound, "not_found")
        }
        let (status, document) = other.answer(task, path: path, at: url, now: provider.now)
        return .json(task.signed(document, at: provider.now), status: status)
    }

    private func refuse(
        _ other: any OtherProvider, _ status: HTTPResponse.Status, _ code: String, _ message: String? = nil
    ) -> Response {
        provider.countRefused()
        return .json(other.refusal(code: code, message: message ?? code), status: status)
    }

    private func path(of request: Request, below other: any OtherProvider) -> String {
        String(request.uri.path.dropFirst(other.name.count + 1))
    }

    /// The provider's base URL as the client sees it.
    private func url(of request: Request, _ other: any OtherProvider) -> String {
        "\(request.origin)/\(other.name)"
    }
}
