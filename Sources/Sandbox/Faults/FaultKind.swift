/// One way in which the simulated provider goes wrong.
package enum FaultKind: String, CaseIterable, Sendable {
    // Submits that are accepted, and billed.
    case lostReply = "lost-reply"
    case resetReply = "reset-reply"
    case badGatewayAfter = "502-after"
    case hang
    case lateRecord = "late-record"

    // Submits that are not accepted.
    case badGatewayBefore = "502-before"
    case hangBefore = "hang-before"
    case tooManyRequests = "429"
    case tooManyRequestsRetryAfter = "429-retry-after"
    case errorObject = "500-error-object"
    case busy

    // Queries of the tasks endpoint; never billed.
    case pollError = "poll-500"
    case pollBadGateway = "poll-502"
    case pollTooManyRequests = "poll-429"
    case pollTooManyRequestsRetryAfter = "poll-429-retry-after"
    case pollHang = "poll-hang"
    case pollLost = "poll-lost"
    case pollReset = "poll-reset"

    // What is told to the callback URL of a submit that was accepted.
    case callbackMissing = "callback-missing"
    case callbackLate = "callback-late"
    case callbackTwice = "callback-twice"
    case callbackEarly = "callback-early"
    case callbackProgress = "callback-progress"
    case callbackLie = "callback-lie"
    case callbackContradiction = "callback-contradiction"
    case callbackGarbled = "callback-garbled"
    case callbackForget = "callback-forget"

    /// Where a fault strikes.
    enum Target { case submit, poll, callback }

    var target: Target {
        switch self {
        case .lostReply, .resetReply, .badGatewayAfter, .hang, .lateRecord, .badGatewayBefore, .hangBefore,
            .tooManyRequests, .tooManyRequestsRetryAfter, .errorObject, .busy:
            .submit
        case .pollError, .pollBadGateway, .pollTooManyRequests, .pollTooManyRequestsRetryAfter, .pollHang, .pollLost,
            .pollReset:
            .poll
        case .callbackMissing, .callbackLate, .callbackTwice, .callbackEarly, .callbackProgress, .callbackLie,
            .callbackContradiction, .callbackGarbled, .callbackForget:
            .callback
        }
    }

    /// Whether the provider takes, and bills, a submit that this fault strikes.
    var acceptsTask: Bool {
        switch self {
        case .lostReply, .resetReply, .badGatewayAfter, .hang, .lateRecord: true
        case .callbackMissing, .callbackLate, .callbackTwice, .callbackEarly, .callbackProgress, .callbackLie,
            .callbackContradiction, .callbackGarbled, .callbackForget:
            true
        case .badGatewayBefore, .hangBefore, .tooManyRequests, .tooManyRequestsRetryAfter, .errorObject, .busy,
            .pollError, .pollBadGateway, .pollTooManyRequests, .pollTooManyRequestsRetryAfter, .pollHang, .pollLost,
            .pollReset:
            false
        }
    }

    /// What a rule without its own `:DURATION` uses; nil for faults that have no span.
    var defaultSpan: Duration? {
        switch self {
        case .lateRecord, .callbackLate: .seconds(5)
        case .callbackTwice: .seconds(1)
        case .tooManyRequestsRetryAfter, .pollTooManyRequestsRetryAfter: .seconds(2)
        // Long enough for any client's time-out, short enough not to leak connections.
        case .hang, .hangBefore, .pollHang: .seconds(600)
        case .lostReply, .resetReply, .badGatewayAfter, .badGatewayBefore, .tooManyRequests, .errorObject, .busy,
            .pollError, .pollBadGateway, .pollTooManyRequests, .pollLost, .pollReset, .callbackMissing, .callbackEarly,
            .callbackProgress, .callbackLie, .callbackContradiction, .callbackGarbled, .callbackForget:
            nil
        }
    }

    /// What the client meets, in one line for people.
    var explanation: String {
        switch self {
        case .lostReply: "accepted and billed; the connection closes without one byte of reply"
        case .resetReply: "accepted and billed; the reply breaks off in the middle with a TCP reset"
        case .badGatewayAfter: "accepted and billed; answered with a proxy's HTML 502"
        case .hang: "accepted and billed; never answered (until the client leaves, or the span ends)"
        case .lateRecord: "accepted and billed; look-ups find the task only after the span (adds to other faults)"
        case .badGatewayBefore: "not accepted; answered with the same HTML 502"
        case .hangBefore: "not accepted; never answered"
        case .tooManyRequests: "not accepted; 429 too_many_requests"
        case .tooManyRequestsRetryAfter: "not accepted; 429 with a Retry-After header of the span, in seconds"
        case .errorObject: "not accepted; 500 with the provider's own api_error object"
        case .busy: "not accepted; 500 with code busy"
        case .pollError: "500 api_error"
        case .pollBadGateway: "a proxy's HTML 502"
        case .pollTooManyRequests: "429 too_many_requests"
        case .pollTooManyRequestsRetryAfter: "429 with a Retry-After header of the span, in seconds"
        case .pollHang: "never answered"
        case .pollLost: "the connection closes without one byte of reply"
        case .pollReset: "the reply breaks off in the middle with a TCP reset"
        case .callbackMissing: "nobody is told of the end"
        case .callbackLate: "the end is told so much later"
        case .callbackTwice: "the end is told again, so much later"
        case .callbackEarly: "that it was taken is told before the submit is answered"
        case .callbackProgress: "progress is told too, at 35 and 75 %, with success: true"
        case .callbackLie: "success: true is told at 35 %"
        case .callbackContradiction: "a failure is told just before the end"
        case .callbackGarbled: "the end is told without any JSON"
        case .callbackForget: "look-ups know the task no more once its end is told"
        }
    }
}
