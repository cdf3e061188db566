/// The problem codes that the socket's own code sends or reads, each with its HTTP status.
///
/// The codes of the engine, the store and the lifecycle pass through unchanged and are not listed here.
package enum ProblemCode {
    /// 400: the body is not JSON, or repeats a name.
    package static let invalidJSON = "invalid_json"
    /// 400: the query has an unknown or unreadable parameter.
    package static let invalidParameter = "invalid_parameter"
    /// 404: no such route.
    package static let noSuchRoute = "no_such_route"
    /// 404: no task has that id or prefix.
    package static let taskNotFound = "task_not_found"
    /// 404: no endpoint has the name in the path.
    package static let endpointNotFound = "endpoint_not_found"
    /// 405: the route exists, but not with that method.
    package static let methodNotAllowed = "method_not_allowed"
    /// 413: the body exceeds the limit.
    package static let bodyTooLarge = "body_too_large"
    /// 415: the route does not accept the media type of the body.
    package static let unsupportedMediaType = "unsupported_media_type"
    /// 422: a field has the wrong type or a value that is out of bounds.
    package static let invalidField = "invalid_field"
    /// 422: a required field is missing.
    package static let missingField = "missing_field"
    /// 422: the contract has no such field.
    package static let unknownField = "unknown_field"
    /// 409: settings have changed that apply only at a start.
    package static let restartNeeded = "restart_needed"
    /// 422: a setting or definition is invalid.
    package static let badSetting = "bad_setting"
    /// 500: a bug of the daemon.
    package static let internalError = "internal_error"
    /// 503: other requests' bodies use all of the memory for bodies. The same request may be sent again.
    package static let busy = "busy"
    /// 503: the maximum number of event streams is open.
    package static let tooManyStreams = "too_many_streams"
    /// 503: the daemon is starting or stopping.
    package static let notReady = "not_ready"
}
