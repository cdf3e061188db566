import HTTPTypes
import Hummingbird
import NIOCore
import ProviderCatalog
import TaskEngine
import TaskModel
import TaskStore
import VerbatimJSON

/// Submits a task for a program, and answers as its provider would.
struct SubmissionRoute {
    let service: GatewayService
    let time: any TimeSource

    /// How long a program waits at most for the provider's acceptance.
    private static let patience = Duration.seconds(25)
    /// How much sooner than its own timeout a client is answered.
    private static let margin = Duration.seconds(2)

    func response(
        to call: GatewayCall, of endpoint: EndpointProfile, request: JSONObject, isInline: Bool,
        over channel: any Channel
    ) async throws(GatewayFailure) -> Response {
        let admission: GatewayAdmission
        do throws(TaskServiceError) {
            admission = try await service.submit(submission(call, endpoint, request))
        } catch {
            throw .service(error)
        }
        let departure = Departure(over: channel) { [service, exchange = admission.exchange] isDelivered in
            if let exchange { service.report(isDelivered ? .delivered : .undelivered, of: exchange) }
        }
        let waited = await departure.unless { [self] in
            await wait(for: admission.task, call, isInline: isInline)
        }
        let stored: TaskWithPayload
        var headers: HTTPFields = [:]
        if admission.isJoined { headers[.joined] = "true" }
        // The task is stored, so a failure from here on ends the connection without a reply: clients repeat a request after a 5xx,
        // and take any other error for the provider's. The retry finds the task.
        switch try? waited?.get() {
        case .interrupted, nil: throw .interrupted
        case .uncertain(let uncertain) where isInline && call.preferredWait == nil:
            if let exchange = admission.exchange { service.report(.unanswered, of: exchange) }
            // No client repeats a 424 by itself, so nothing is paid for again.
            headers[.shouldRetry] = "false"
            return GatewayRoute.response(
                Self.uncertain(uncertain.task.id, in: call.target.provider.gateway), of: call.target,
                task: admission.task, headers: headers)
        case .task(let known), .uncertain(let known): stored = known
        }
        guard admission.mayAnswer else { throw .interrupted }
        do throws(TaskServiceError) {
            var reply = try await answer(about: stored, of: endpoint, call, isInline: isInline)
            reply.status = Self.safe(reply.status)
            return GatewayRoute.response(reply, of: call.target, task: admission.task, headers: headers)
        } catch {
            throw .interrupted
        }
    }

    private static func uncertain(_ task: TaskID, in profile: GatewayProfile) -> GatewayReply {
        profile.error(
            424, code: "submission_uncertain",
            message:
                "It is not known whether the provider took the request. Task \(task) goes on; the same request gets its result and pays nothing."
        )
    }

    /// A status that no client takes for a reason to send the same request again.
    static func safe(_ status: Int) -> Int {
        [408, 409, 429].contains(status) || !(200...499).contains(status) ? 400 : status
    }

    private func submission(
        _ call: GatewayCall, _ endpoint: EndpointProfile, _ request: JSONObject
    ) -> GatewaySubmission {
        let (target, body) = (call.target, call.body)
        let profile = target.provider.gateway
        let deciding = profile.headers.compactMap { name in call.headers[name].map { (name, $0) } }
        var submission = GatewaySubmission(
            endpoint: endpoint.name, request: request, program: call.program,
            contentKey: body.map { body in
                ContentKey.digest(
                    program: call.program, provider: target.provider.name.text, method: call.request.method.rawValue,
                    path: target.path, query: call.query, headers: deciding, body: body)
            } ?? [])
        submission.message = PassedMessage(
            query: call.query,
            headers: PassedHeaders.ofSubmission(
                call.request.headers, without: CredentialPlaces(target.provider.authentication)),
            address: target.address)
        if let body, !body.isJSON {
            submission.message.contentType = call.headers["content-type"]
            submission.message.body = call.bytes
        }
        submission.idempotencyKey = call.request.headers[.idempotencyKey].flatMap { $0.isEmpty ? nil : $0 }
        submission.isCountedRetry = call.request.headers[.retryCount].flatMap { Int($0) } ?? 0 > 0
        submission.mayJoin = call.request.headers[.join]?.lowercased() != "never"
        submission.deliversCallback = call.settings.deliversCallbacks
        submission.rule = JoinRule(retryWindow: call.settings.retryWindow)
        return submission
    }

    // MARK: Waiting

    private func wait(
        for task: TaskID, _ call: GatewayCall, isInline: Bool
    ) async -> Result<GatewayService.Waited, GatewayFailure> {
        let stated = call.request.headers[.readTimeout] ?? call.request.headers[.timeout]
        let timeout = stated.flatMap { Double($0) }.flatMap { seconds -> Duration? in
            seconds.isFinite ? max(.seconds(rounding: min(seconds, 86_400)) - Self.margin, .milliseconds(500)) : nil
        }
        do throws(TaskServiceError) {
            guard isInline else {
                return .success(
                    try await service.acceptance(of: task, within: min(Self.patience, timeout ?? Self.patience)))
            }
            return .success(try await service.outcome(of: task, limit: call.preferredWait, patience: timeout))
        } catch {
            return .failure(.service(error))
        }
    }

    // MARK: Replies

    private func answer(
        about stored: TaskWithPayload, of endpoint: EndpointProfile, _ call: GatewayCall, isInline: Bool
    ) async throws(TaskServiceError) -> GatewayReply {
        let task = stored.task
        let gateway = endpoint.dialect.gateway
        let isRefused = task.state == .failed && task.remoteID == nil
        let isKnown = task.remoteID != nil || isRefused || endpoint.dialect.answersOnlyInline
        // The provider's own reply, unless the program wants the result and the provider gave only an id.
        if isKnown, !isInline || isRefused || endpoint.dialect.answersOnlyInline,
            let reply = try await service.reply(to: task.id)
        {
            return GatewayReply(status: reply.status, contentType: reply.contentType, body: reply.body)
        }
        let view = try await service.view(of: stored, at: call.target.address)
        if case .failed(let failure) = view.phase, task.remoteID == nil {
            return call.target.provider.gateway.error(
                failure.httpStatus ?? 400, code: failure.code, message: failure.message)
        }
        // Replicate's clients take any record but a starting one for the end of their wait, and its output for the result.
        return isInline && task.state.hasEnded ? gateway.inline(view) : gateway.accepted(view)
    }
}

extension GatewayCall {
    /// How long the program wants to wait for the result; nil where it does not say so.
    var preferredWait: Duration? {
        switch IncomingRequest(method: "POST", path: "", headers: headers).wait {
        case .unlimited: .seconds(60)
        case .upTo(let span): span
        case nil: nil
        }
    }
}
