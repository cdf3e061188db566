import HTTPTypes

/// An error in the provider's documented form: a status, a code and a message.
struct ProviderError: Error, Equatable {
    var status: HTTPResponse.Status
    var code: String
    var message: String

    /// The documented body: `{"error": {"code", "message"}, "trace_id"}`.
    func body(traceID: String) -> JSONValue {
        ["error": ["code": .string(code), "message": .string(message)], "trace_id": .string(traceID)]
    }
}

extension ProviderError {
    static let authorizationMissing = ProviderError(
        status: .unauthorized, code: "authorization_missing", message: "Authorization header is missing.")
    static let noToken = ProviderError(
        status: .badRequest, code: "no_token", message: "No token specified for the request.")
    static let invalidToken = ProviderError(status: .unauthorized, code: "invalid_token", message: "token is invalid.")
    static let tokenExpired = ProviderError(status: .unauthorized, code: "token_expired", message: "token expired.")
    static let usedUp = ProviderError(
        status: .forbidden, code: "used_up",
        message: "Your balance is not sufficient for current request, please buy more.")
    static let noAPI = ProviderError(
        status: .notFound, code: "no_api", message: "API does not exist, please make sure url is correct.")
    static let requestTooLarge = ProviderError(
        status: .contentTooLarge, code: "request_too_large", message: "Request body is too large.")
    /// An error in the provider's documented spelling.
    static let moderated = ProviderError(
        status: .forbidden, code: "forbidden",
        message: "Sorry! Our Al moderators feel your prompt might be against our community standards.")
    static let tooManyRequests = ProviderError(
        status: .tooManyRequests, code: "too_many_requests", message: "You have exceeded the rate limit.")
    static let tooManyTasks = ProviderError(
        status: .tooManyRequests, code: "rate_limited", message: "concurrency limit exceeded")
    static let apiError = ProviderError(
        status: .internalServerError, code: "api_error", message: "Internal server error.")
    static let busy = ProviderError(
        status: .internalServerError, code: "busy",
        message: "api was throttled from upstream and is currently busy, please try again later.")

    static func unknownTask(_ code: String) -> ProviderError {
        ProviderError(status: .notFound, code: code, message: "task not found")
    }

    static func badRequest(_ message: String) -> ProviderError {
        ProviderError(status: .badRequest, code: "bad_request", message: message)
    }
}
