/// A kind of fault that the simulated provider can inject.
package enum FaultKind: String, CaseIterable, Sendable {
    // Submits that the provider accepts and bills.
    case lostReply = "lost-reply"
    case resetReply = "reset-reply"
    case badGatewayAfter = "502-after"
    case hang
    case lateRecord = "late-record"
    case resultExpires = "result-expires"

    // Submits that the provider does not accept.
    case badGatewayBefore = "502-before"
    case hangBefore = "hang-before"
    case tooManyRequests = "429"
    case tooManyRequestsRetryAfter = "429-retry-after"
    case errorObject = "500-error-object"
    case busy

    // Queries of the tasks endpoint, which are never billed.
    case pollError = "poll-500"
    case pollBadGateway = "poll-502"
    case pollTooManyRequests = "poll-429"
    case pollTooManyRequestsRetryAfter = "poll-429-retry-after"
    case pollHang = "poll-hang"
    case pollLost = "poll-lost"
    case pollReset = "poll-reset"

    // Callbacks of an accepted submit.
    case callbackMissing = "callback-missing"
    case callbackLate = "callback-late"
    case callbackTwice = "callback-twice"
    case callbackEarly = "callback-early"
    case callbackProgress = "callback-progress"
    case callbackLie = "callback-lie"
    case callbackContradiction = "callback-contradiction"
    case callbackGarbled = "callback-garbled"
    case callbackForget = "callback-forget"

    // Downloads of results.
    case resultBadGateway = "result-502"
    case resultForbidden = "result-403"
    case resultCut = "result-cut"
    case resultChanged = "result-changed"
    case resultShort = "result-short"
    case resultPage = "result-html"
    case resultStall = "result-stall"
    case resultRedirect = "result-redirect"

    /// The kind of request that a fault affects.
    enum Target { case submit, poll, callback, download }

    var target: Target {
        switch self {
        case .lostReply, .resetReply, .badGatewayAfter, .hang, .lateRecord, .resultExpires, .badGatewayBefore,
            .hangBefore, .tooManyRequests, .tooManyRequestsRetryAfter, .errorObject, .busy:
            .submit
        case .pollError, .pollBadGateway, .pollTooManyRequests, .pollTooManyRequestsRetryAfter, .pollHang, .pollLost,
            .pollReset:
            .poll
        case .callbackMissing, .callbackLate, .callbackTwice, .callbackEarly, .callbackProgress, .callbackLie,
            .callbackContradiction, .callbackGarbled, .callbackForget:
            .callback
        case .resultBadGateway, .resultForbidden, .resultCut, .resultChanged, .resultShort, .resultPage, .resultStall,
            .resultRedirect:
            .download
        }
    }

    /// Whether it leaves the reply as it is, and so adds to any other fault of a submit.
    var isAddition: Bool { self == .lateRecord || self == .resultExpires }

    /// Whether the provider accepts and bills a submit with this fault.
    var acceptsTask: Bool {
        switch self {
        case .lostReply, .resetReply, .badGatewayAfter, .hang, .lateRecord, .resultExpires: true
        case .callbackMissing, .callbackLate, .callbackTwice, .callbackEarly, .callbackProgress, .callbackLie,
            .callbackContradiction, .callbackGarbled, .callbackForget:
            true
        case .badGatewayBefore, .hangBefore, .tooManyRequests, .tooManyRequestsRetryAfter, .errorObject, .busy,
            .pollError, .pollBadGateway, .pollTooManyRequests, .pollTooManyRequestsRetryAfter, .pollHang, .pollLost,
            .pollReset, .resultBadGateway, .resultForbidden, .resultCut, .resultChanged, .resultShort, .resultPage,
            .resultStall, .resultRedirect:
            false
        }
    }

    /// The duration for a rule without `:DURATION`; nil for faults that have none.
    var defaultSpan: Duration? {
        switch self {
        case .lateRecord, .callbackLate: .seconds(5)
        case .callbackTwice: .seconds(1)
        case .resultExpires: .seconds(3)
        case .tooManyRequestsRetryAfter, .pollTooManyRequestsRetryAfter: .seconds(2)
        // Longer than any client's timeout, short enough not to leak connections.
        case .hang, .hangBefore, .pollHang, .resultStall: .seconds(600)
        case .lostReply, .resetReply, .badGatewayAfter, .badGatewayBefore, .tooManyRequests, .errorObject, .busy,
            .pollError, .pollBadGateway, .pollTooManyRequests, .pollLost, .pollReset, .callbackMissing, .callbackEarly,
            .callbackProgress, .callbackLie, .callbackContradiction, .callbackGarbled, .callbackForget,
            .resultBadGateway, .resultForbidden, .resultCut, .resultChanged, .resultShort, .resultPage, .resultRedirect:
            nil
        }
    }

    /// What the client sees, in one line.
    var explanation: String {
        switch self {
        case .lostReply: "accepted and billed; the connection closes without one byte of reply"
        case .resetReply: "accepted and billed; the reply breaks off in the middle with a TCP reset"
        case .badGatewayAfter: "accepted and billed; answered with a proxy's HTML 502"
        case .hang: "accepted and billed; never answered (until the client leaves, or the span ends)"
        case .lateRecord: "accepted and billed; look-ups find the task only after the span (adds to other faults)"
        case .resultExpires: "accepted and billed; the URLs of a look-up expire after the span (adds to other faults)"
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
        case .callbackMissing: "no final callback"
        case .callbackLate: "the final callback comes this much later"
        case .callbackTwice: "the final callback is repeated this much later"
        case .callbackEarly: "a callback reports the acceptance before the reply to the submit"
        case .callbackProgress: "callbacks report progress too, at 35 and 75 %, with success: true"
        case .callbackLie: "a callback with success: true at 35 %"
        case .callbackContradiction: "a callback reports a failure just before the end"
        case .callbackGarbled: "the final callback is not JSON"
        case .callbackForget: "look-ups stop finding the task after its final callback"
        case .resultBadGateway: "a proxy's HTML 502"
        case .resultForbidden: "403, as if the URL had expired"
        case .resultCut: "the file breaks off at some byte with a TCP reset"
        case .resultChanged: "the file is another one from then on, with another ETag"
        case .resultShort: "half of the file, announced as all of it; Repr-Digest is that of the whole"
        case .resultPage: "200 with an HTML page in place of the file"
        case .resultStall: "nothing more after half of the file, until the span ends"
        case .resultRedirect: "a redirect to a private address"
        }
    }
}
