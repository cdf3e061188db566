import TaskModel
import VerbatimJSON

/// A complete reply with its meaning for the request.
///
/// This type has the only table of codes and statuses, for all dialects, paid requests and queries. A reply that does
/// not prove that the request was not accepted must be ``Meaning/fault(suspendsProvider:)`` or
/// ``Meaning/outcomeUnknown``. A request that is sent again after any such reply may be paid twice.
struct ClassifiedReply {
    /// The meaning of the reply for the request.
    enum Meaning: Hashable {
        /// A 2xx status without an error.
        case fine
        /// Not accepted now, but perhaps later.
        case throttled
        /// Not accepted, like every other request of the account.
        case stopped
        /// Not accepted, because the address redirects.
        case moved
        /// Not accepted, and never will be.
        case refused(suspendsProvider: Bool)
        /// The provider does not know the requested id.
        case unknownTask
        /// The provider reports an internal error with its own code: the request was probably refused, without proof.
        case fault(suspendsProvider: Bool)
        /// The reply proves nothing.
        case outcomeUnknown
    }

    let status: Int
    /// The body; nil if it is not JSON.
    let body: JSONValue?
    /// Whether there is no body.
    let isEmpty: Bool
    /// The error that the body as a whole reports.
    let error: ReportedError?
    let meaning: Meaning
    let failure: TaskFailure
    /// Whether the definition lists this status as an unknown id.
    let isListedUnknown: Bool
    /// How long the provider asks Pollux to wait, if it does.
    let retryAfter: Duration?
    /// The coding of a body that could not be decoded.
    let coding: String?

    /// Classifies a reply; `error` finds the provider's error in a body.
    init(_ reply: UpstreamReply, by rules: ResponseRules, error find: (JSONValue) -> ReportedError?) {
        status = reply.status
        coding = reply.headers["content-encoding"]
        // An unreadable body is a result here, not an error: callers classify it.
        let body = try? JSONValue(parsing: reply.body, limits: .lenient)
        let error = body.flatMap(find)
        let listed = rules.codes.meaning(code: error?.code, message: error?.message)
        let ofStatus = rules.codes.statuses[status]
        self.body = body
        self.error = error
        isEmpty = reply.body.isEmpty
        isListedUnknown = listed == .unknownTask || listed == nil && ofStatus == .unknownTask
        meaning = listed.map { Meaning($0, under: reply.status, error) } ?? Meaning(reply.status, error, as: ofStatus)
        failure = rules.failure(of: meaning, error, status: status, location: reply.headers["location"])
        retryAfter = rules.retryAfter(reply, body)
    }

    var isSuccess: Bool { 200...299 ~= status }

    /// Whether every request of the account would fail.
    var suspendsProvider: Bool {
        switch meaning {
        case .stopped: true
        case .refused(let suspends), .fault(let suspends): suspends
        case .fine, .throttled, .moved, .unknownTask, .outcomeUnknown: false
        }
    }

    /// Whether the reply states a reason of the provider. Frameworks and gateways also send messages, with 5xx.
    var saysWhy: Bool { error.map { $0.hasOwnCode || status < 500 } ?? false }
}

extension ClassifiedReply.Meaning {
    /// The meaning of a code or a message that the definition lists.
    ///
    /// A throttle, a stop of the account and an unknown outcome hold under every status. A refusal holds under 2xx and
    /// 4xx. Under a timeout status it proves nothing, and under any other 5xx it is a fault.
    fileprivate init(_ listed: ReplyMeaning, under status: Int, _ error: ReportedError?) {
        let isBelieved = 200...299 ~= status || 400...499 ~= status && status != 408
        let isFault = 500...599 ~= status && status != 504
        let suspends = listed == .refusedStopsAccount
        switch listed {
        case .throttled: self = .throttled
        case .stopsAccount: self = .stopped
        case .outcomeUnknown: self = .outcomeUnknown
        case .serverFault: self = isBelieved || isFault ? .fault(suspendsProvider: false) : .outcomeUnknown
        case .unknownTask where isBelieved && status != 429: self = .unknownTask
        case .refused where isBelieved, .refusedStopsAccount where isBelieved:
            self = .refused(suspendsProvider: suspends)
        case .refused where isFault, .refusedStopsAccount where isFault: self = .fault(suspendsProvider: suspends)
        case .unknownTask, .refused, .refusedStopsAccount: self.init(status, error, as: nil)
        }
    }

    /// The meaning of a status: as the definition lists it, else the usual one.
    fileprivate init(_ status: Int, _ error: ReportedError?, as listed: ReplyMeaning?) {
        self =
            switch (listed, status) {
            case (.throttled, _): .throttled
            case (.stopsAccount, _): .stopped
            case (.refusedStopsAccount, _): .refused(suspendsProvider: true)
            case (.outcomeUnknown, _): .outcomeUnknown
            case (.unknownTask, _): .unknownTask
            case (.refused, _): .refused(suspendsProvider: false)
            case (.serverFault, _): .fault(suspendsProvider: false)
            // Some bodies repeat a status under another one.
            case (nil, _) where status == 429 || error?.httpStatus == 429: .throttled
            case (nil, 301), (nil, 307), (nil, 308): .moved
            case (nil, 408), (nil, 504): .outcomeUnknown
            case (nil, 401), (nil, 402): .refused(suspendsProvider: true)
            case (nil, 404): .unknownTask
            case (nil, 400...499): .refused(suspendsProvider: false)
            case (nil, 200...299), (nil, 500...599):
                if error?.httpStatus == 504 {
                    .outcomeUnknown
                } else if status < 300, error?.httpStatus.map({ $0 < 500 }) ?? true {
                    .fine
                } else {
                    // Frameworks and gateways use numbers as error codes; the provider's own codes are words.
                    status < 300 || error?.hasOwnCode == true ? .fault(suspendsProvider: false) : .outcomeUnknown
                }
            case (nil, _): .outcomeUnknown
            }
    }
}

extension ResponseRules {
    /// The failure that a reply reports, in the provider's words if it has any.
    fileprivate func failure(
        of meaning: ClassifiedReply.Meaning, _ error: ReportedError?, status: Int, location: String?
    ) -> TaskFailure {
        if 300...399 ~= status, meaning == .moved || meaning == .outcomeUnknown && error == nil {
            return redirect(status, to: location)
        }
        let isTimeout =
            meaning == .outcomeUnknown && (200...499 ~= status || status == 504 || error?.httpStatus == 504)
        let code =
            error?.code
            ?? (isTimeout
                ? "provider_timeout"
                : status == 401 || status == 403
                    ? "unauthorized" : 200...499 ~= status ? "provider_refused" : "provider_error")
        return TaskFailure(
            code: code,
            message: error?.message ?? "The provider answered with HTTP status \(status) and gives no reason.",
            httpStatus: error?.httpStatus ?? status, hint: codes.hint(for: code, at: endpoint))
    }

    /// The failure for a redirect. A redirect is never followed, because the token would go to the new address.
    private func redirect(_ status: Int, to location: String?) -> TaskFailure {
        // A query or user information may contain a secret.
        let place = location.map { location in
            let path = location.prefix { $0 != "?" && $0 != "#" }
            let user = path.firstRange(of: "://").flatMap { mark in
                path[mark.upperBound...].prefix { $0 != "/" }.lastIndex(of: "@").map { (mark.upperBound, $0) }
            }
            let shown = user.map { path[..<$0.0] + path[path.index(after: $0.1)...] } ?? path
            return " to \(shown.prefix(200))"
        }
        let hasMoved = [301, 307, 308].contains(status)
        return TaskFailure(
            code: hasMoved ? "moved" : "unexpected_redirect",
            message:
                "The provider answered with a redirect\(place ?? " without an address") (HTTP status \(status)). "
                + (hasMoved ? "It accepted nothing." : "It is not followed."),
            httpStatus: status, hint: "Check the base URL of \(provider): it should name the API itself.")
    }

    /// The failure for a body that differs from the provider's documentation.
    func unexpected(_ answer: ClassifiedReply, _ problem: String = "with an unexpected body") -> TaskFailure {
        guard answer.body != nil else {
            let reason = answer.coding.map { "compressed with \($0.prefix(40)), which cannot be read" } ?? "not JSON"
            return TaskFailure(
                code: "reply_unreadable",
                message: "The provider answered HTTP status \(answer.status) with a body that is \(reason).",
                httpStatus: answer.status, hint: answer.isSuccess ? "Check the base URL of \(provider)." : nil)
        }
        return TaskFailure(
            code: answer.error?.code ?? "reply_unexpected",
            message: answer.error?.message ?? "The provider answered HTTP status \(answer.status) \(problem).",
            httpStatus: answer.status)
    }
}
