/// ProblemCode holds the codes that the socket's own code sends or reads, each with its HTTP status.
///
/// The codes of the engine, the store and the lifecycle pass through unchanged and are not listed here.
package enum ProblemCode {
    /// 400: the body is not JSON, or says a name twice.
    package static let invalidJSON = "invalid_json"
    /// 400: the query has an unknown or unreadable parameter.
    package static let invalidParameter = "invalid_parameter"
    /// 404: no such route.
    package static let noSuchRoute = "no_such_route"
    /// 404: no task has that id or prefix.
    package static let taskNotFound = "task_not_found"
    /// 404: no endpoint has that name, where the path says it.
    package static let endpointNotFound = "endpoint_not_found"
    /// 405: the route exists, but not with that method.
    package static let methodNotAllowed = "method_not_allowed"
    /// 413: the body is larger than the daemon takes.
    package static let bodyTooLarge = "body_too_large"
    /// 415: the body has a media type that the route does not take.
    package static let unsupportedMediaType = "unsupported_media_type"
    /// 422: a field has the wrong type or a value that is out of bounds.
    package static let invalidField = "invalid_field"
    /// 422: a field must be there.
    package static let missingField = "missing_field"
    /// 422: a field that the contract does not know.
    package static let unknownField = "unknown_field"
    /// 409: settings have changed that apply at a start only.
    package static let restartNeeded = "restart_needed"
    /// 422: a setting or definition is invalid.
    package static let badSetting = "bad_setting"
    /// 500: a bug of the daemon.
    package static let internalError = "internal_error"
    /// 503: the bodies under way take all the memory that is meant for them; the same request may be sent again.
    package static let busy = "busy"
    /// 503: as many streams of events are open as may be.
    package static let tooManyStreams = "too_many_streams"
    /// 503: the daemon is starting or stopping.
    package static let notReady = "not_ready"
}
