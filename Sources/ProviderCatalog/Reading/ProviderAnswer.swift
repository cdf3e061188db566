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
    /// What the definition says of its code, its message or its status.
    let meaning: AnswerMeaning?
    /// How long the provider asks to be left alone, where it does.
    let retryAfter: Duration?
    /// The coding of a body that could not be decoded.
    let coding: String?
    /// Where a redirect leads.
    let location: String?

    init(_ reply: UpstreamReply, at endpoint: EndpointProfile) {
        status = reply.status
        coding = reply.headers["content-encoding"]
        location = reply.headers["location"]
        // A body that cannot be read is a case of its own below, not an error to pass on.
        body = try? JSONValue(parsing: reply.body, limits: .lenient)
        record = body.flatMap(TaskRecord.init)
        error = body?.object.flatMap(ReportedError.init(in:))
        let codes = endpoint.reading.codes
        meaning = codes.meaning(code: error?.code, message: error?.message) ?? codes.statuses[status]
        retryAfter = endpoint.retryAfter(reply, body)
    }

    var isSuccess: Bool { 200...299 ~= status }

    /// Not now, but later; `busy` comes as a 500, and a 2xx may carry the code too.
    var isThrottled: Bool {
        meaning == .throttled || meaning != .stopsAccount && (status == 429 || error?.httpStatus == 429)
    }

    /// Whether no request of this account will do better.
    ///
    /// A 401 without any code can only mean the token; 402 is MiniMax's word for an empty balance.
    var stopsAccount: Bool {
        status == 402 || meaning == .stopsAccount || meaning == .refusedStopsAccount
            || status == 401 && error?.code == nil
    }

    var isUnknownTask: Bool { meaning == .unknownTask }
    var isOutcomeUnknown: Bool { meaning == .outcomeUnknown || error?.httpStatus == 504 }
    var isServerFault: Bool { meaning == .serverFault || (error?.httpStatus ?? 0) >= 500 }
}

/// The statuses that say that the address has moved, for every request alike: it was not taken.
func saysMoved(_ status: Int) -> Bool { [301, 307, 308].contains(status) }

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

    /// A redirect, which is never followed: the token would go along.
    func redirect(_ status: Int, to location: String?) -> TaskFailure {
        // What stands behind a question mark or before a host may be a secret.
        let place = location.map { location in
            let path = location.prefix { $0 != "?" && $0 != "#" }
            let user = path.firstRange(of: "://").flatMap { mark in
                path[mark.upperBound...].prefix { $0 != "/" }.lastIndex(of: "@").map { (mark.upperBound, $0) }
            }
            let shown = user.map { path[..<$0.0] + path[path.index(after: $0.1)...] } ?? path
            return " to \(shown.prefix(200))"
        }
        return TaskFailure(
            code: saysMoved(status) ? "moved" : "unexpected_redirect",
            message:
                "The provider answered with a redirect\(place ?? " that names no address") (HTTP status \(status)). "
                + (saysMoved(status) ? "It took nothing." : "It is not followed."),
            httpStatus: status, hint: "Check the base URL of \(provider): it should name the API itself.")
    }

    /// Why a body is no document.
    static func unreadable(_ coding: String?) -> String {
        coding.map { "compressed with \($0.prefix(40)), which cannot be read" } ?? "not JSON"
    }

    /// An answer that is not what the provider documents.
    func unexpected(_ answer: ProviderAnswer) -> TaskFailure {
        let problem =
            if answer.body == nil {
                "with a body that is \(Self.unreadable(answer.coding))"
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
