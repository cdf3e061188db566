import Foundation
import HTTPTypes
import Hummingbird
import Logging

/// The provider's routes: paid submits and tasks queries.
struct ProviderRoutes: Sendable {
    let provider: SimulatedProvider
    let caller: CallbackCaller
    let logger: Logger

    /// Adds the routes under the root and under `/v1`, because the provider's hosts differ in that prefix.
    func add(to router: Router<SandboxContext>) {
        for prefix in ["", "v1"] {
            let group = router.group(RouterPath(prefix)).add(middleware: Authorization(provider: provider))
            for service in ServiceTable.services.sorted() {
                group.post(RouterPath("\(service)/tasks")) { request, context in
                    try await query(service: service, request: request, context: context)
                }
            }
            for operation in ServiceTable.operations {
                group.post(RouterPath("\(operation.service)/\(operation.name)")) { request, context in
                    try await submit(operation, request: request, context: context)
                }
            }
        }
    }

    // MARK: Submits

    private func submit(
        _ operation: SimulatedOperation, request: Request, context: SandboxContext
    ) async throws -> Response {
        var request = request
        let body = try await request.jsonObject()
        let submission = try provider.submit(operation, body: body, token: context.token, origin: request.origin)
        log(submission, operation: operation)
        guard let task = submission.task else {
            return try await refuse(submission, request: request, context: context)
        }
        await caller.plan(task, to: task.callbackURL, number: submission.number)
        return try await reply(
            to: submission, for: task, of: operation, request: request, context: context)
    }

    /// Replies to a submit that was accepted and billed, with its fault applied.
    private func reply(
        to submission: Submission, for task: SimulatedTask, of operation: SimulatedOperation, request: Request,
        context: SandboxContext
    ) async throws -> Response {
        switch submission.fault?.kind {
        case .lostReply: return try await BrokenConnection.close(context.channel)
        case .badGatewayAfter: return .badGateway
        case .hang: return try await hang(submission.fault, request: request, context: context)
        default: break
        }
        let isHeld = !task.isAsynchronous
        if isHeld {
            let rest = task.finishedAt.timeIntervalSince(provider.now)
            try await request.hold(for: .seconds(max(0, rest)), on: provider.settings.clock)
        }
        let (status, document) = isHeld ? task.inlineReply : (operation.acceptReply.status, task.acceptReply)
        // A delayed request has consumed its connection's input, so the connection closes after the reply.
        let response = Response.json(document, status: status, headers: isHeld ? [.connection: "close"] : [:])
        if submission.fault?.kind == .resetReply {
            return BrokenConnection.halfReply(response, body: document.utf8Text, channel: context.channel)
        }
        return response
    }

    /// Replies to a submit that its fault rejected.
    private func refuse(
        _ submission: Submission, request: Request, context: SandboxContext
    ) async throws -> Response {
        switch submission.fault?.kind {
        case .badGatewayBefore: return .badGateway
        case .hangBefore: return try await hang(submission.fault, request: request, context: context)
        case .tooManyRequests: return refusal(.tooManyRequests)
        case .tooManyRequestsRetryAfter: return refusal(.tooManyRequests, retryAfter: submission.fault?.span)
        case .busy: return refusal(.busy)
        default: return refusal(.apiError)
        }
    }

    // MARK: Tasks queries

    private func query(service: String, request: Request, context: SandboxContext) async throws -> Response {
        var request = request
        let query = try TaskQuery(body: try await request.jsonObject(), form: ServiceTable.form(of: service))
        let (number, fault) = try provider.receivePoll(query.kind, token: context.token)
        if let fault {
            logger.info(
                "Fault injected into a poll", metadata: ["poll": "\(number)", "fault": "\(fault.kind.rawValue)"])
        }
        switch fault?.kind {
        case .pollError: return refusal(.apiError)
        case .pollBadGateway: return .badGateway
        case .pollTooManyRequests: return refusal(.tooManyRequests)
        case .pollTooManyRequestsRetryAfter: return refusal(.tooManyRequests, retryAfter: fault?.span)
        case .pollHang: return try await hang(fault, request: request, context: context)
        case .pollLost: return try await BrokenConnection.close(context.channel)
        default: break
        }
        let (status, document) = try provider.answer(query, service: service, token: context.token, number: number)
        if fault?.kind == .pollReset {
            return BrokenConnection.halfReply(.json(document), body: document.utf8Text, channel: context.channel)
        }
        return .json(document, status: status)
    }

    // MARK: Shared

    /// Sends no reply: holds the request until the client leaves or the duration ends, then closes.
    private func hang(
        _ fault: FaultPlan.Fault?, request: Request, context: SandboxContext
    ) async throws -> Response {
        try await request.hold(for: fault?.span ?? .zero, on: provider.settings.clock)
        return try await BrokenConnection.close(context.channel)
    }

    private func refusal(_ error: ProviderError, retryAfter span: Duration? = nil) -> Response {
        var headers: HTTPFields = [:]
        // Whole seconds (RFC 9110, 10.2.3), rounded up so that the client never returns too early.
        if let span { headers[.retryAfter] = "\(Int(span.inSeconds.rounded(.up)))" }
        return .json(error.body(traceID: provider.freshTraceID()), status: error.status, headers: headers)
    }

    private func log(_ submission: Submission, operation: SimulatedOperation) {
        var metadata: Logger.Metadata = [
            "submit": "\(submission.number)", "endpoint": "\(operation.endpoint)",
            "task_id": "\(submission.task?.identity.taskID ?? "none")",
        ]
        if let fault = submission.fault { metadata["fault"] = "\(fault.kind.rawValue)" }
        if let delay = submission.lateBy { metadata["late_seconds"] = "\(delay.inSeconds)" }
        logger.info(submission.task == nil ? "Submit not accepted" : "Submit accepted", metadata: metadata)
    }
}

extension TaskQuery {
    fileprivate var kind: RequestStatistics.Kind {
        switch self {
        case .single: .retrieve
        case .batch: .batch
        case .list: .list
        }
    }
}
