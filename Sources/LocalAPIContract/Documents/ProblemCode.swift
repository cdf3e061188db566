/// The stable words for what a socket answers with an error status; the status is beside each.
///
/// More may come (the store's and the lifecycle's codes pass through as they are); readers go by the status then.
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
    /// 409: a prefix fits several tasks; `candidates` lists some.
    package static let ambiguousID = "ambiguous_id"
    /// 409: the key was used with another body; `existing_id` has the task.
    package static let idempotencyKeyReused = "idempotency_key_reused"
    /// 409: another task already tracks that remote id; `existing_id` has it.
    package static let remoteIDTaken = "remote_id_taken"
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
    /// 422: no endpoint has the name in the body; `nearest` may help.
    package static let unknownEndpoint = "unknown_endpoint"
    /// 422: the provider answers that endpoint with the result itself and keeps no record, so it cannot be tracked.
    package static let synchronousEndpoint = "synchronous_endpoint"
    /// 500: a bug of the daemon.
    package static let internalError = "internal_error"
    /// 503: the bodies under way take all the memory that is meant for them; the same request may be sent again.
    package static let busy = "busy"
    /// 503: the daemon is starting or stopping.
    package static let notReady = "not_ready"
}
