import TaskModel
import VerbatimJSON

/// A whole answer, parsed and compared with the provider's codes, but not yet judged.
struct ProviderAnswer {
    let status: Int
    /// Nil where the body is no JSON document.
    let body: JSONValue?
    /// Nil for `{}` and for what is no object.
    let record: TaskRecord?
    /// The error that the body as a whole reports, apart from a failure inside `response`.
    let error: ReportedError?
    private let codes: AnswerCodes

    init(_ reply: UpstreamReply, codes: AnswerCodes) {
        status = reply.status
        // A body that cannot be read is a case of its own below, not an error to pass on.
        body = try? JSONValue(parsing: reply.body, limits: .lenient)
        record = body.flatMap(TaskRecord.init)
        error = body?.object.flatMap(ReportedError.init(in:))
        self.codes = codes
    }

    var isSuccess: Bool { 200...299 ~= status }

    /// Not now, but later; `busy` comes as a 500, and a 2xx may carry the code too.
    var isThrottled: Bool {
        status == 429 || error?.httpStatus == 429 || has(codes.throttled)
    }

    /// Whether no request of this account will do better.
    ///
    /// A 401 without any code can only mean the token; 402 is MiniMax's word for an empty balance.
    var stopsAccount: Bool {
        status == 402 || has(codes.stopsAccount) || status == 401 && error?.code == nil
    }

    var isUnknownTask: Bool { has(codes.unknownTask) }
    var isOutcomeUnknown: Bool { has(codes.outcomeUnknown) || error?.httpStatus == 504 }
    var isServerFault: Bool { has(codes.serverFault) || (error?.httpStatus ?? 0) >= 500 }

    private func has(_ codes: Set<String>) -> Bool {
        error?.code.map { codes.contains($0.lowercased()) } ?? false
    }
}

extension EndpointProfile {
    /// The failure that an answer reports about itself.
    func failure(_ answer: ProviderAnswer) -> TaskFailure {
        failure(
            answer.error, httpStatus: answer.status,
            otherwise: "The provider answered with HTTP status \(answer.status) and does not say why.")
    }

    /// The provider gave up waiting, or a gateway on its behalf.
    func timeout(_ answer: ProviderAnswer) -> TaskFailure {
        var failure = failure(answer)
        if answer.error?.code == nil { failure.code = "provider_timeout" }
        return failure
    }

    func redirect(_ status: Int) -> TaskFailure {
        TaskFailure(
            code: "unexpected_redirect", message: "The provider answered with a redirect (HTTP status \(status)).",
            httpStatus: status, hint: "Check the base URL of \(provider): it should name the API itself.")
    }

    /// An answer that is not what the provider documents.
    func unexpected(_ answer: ProviderAnswer) -> TaskFailure {
        let problem =
            if answer.body == nil {
                "with a body that is not JSON"
            } else if answer.error != nil {
                "with an error"
            } else {
                "with a body that names no task"
            }
        return TaskFailure(
            code: answer.body == nil ? "reply_unreadable" : answer.error?.code ?? "reply_unexpected",
            message: answer.error?.message ?? "The provider answered HTTP status \(answer.status) \(problem).",
            httpStatus: answer.status,
            hint: answer.isSuccess && answer.body == nil ? "Check the base URL of \(provider)." : nil)
    }
}
