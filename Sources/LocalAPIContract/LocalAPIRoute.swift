import Text

/// The routes of the socket, as OpenAPI paths.
package enum LocalAPIRoute: String, Sendable, CaseIterable {
    case tasks = "/v1/tasks"
    case adopt = "/v1/tasks/adopt"
    case taskCount = "/v1/tasks/count"
    case task = "/v1/tasks/{id}"
    case cancel = "/v1/tasks/{id}/cancel"
    case reopen = "/v1/tasks/{id}/reopen"
    case retry = "/v1/tasks/{id}/retry"
    case resolve = "/v1/tasks/{id}/resolve"
    case collect = "/v1/tasks/{id}/collect"
    case approve = "/v1/tasks/{id}/approve"
    case pin = "/v1/tasks/{id}/pin"
    case unpin = "/v1/tasks/{id}/unpin"
    case delete = "/v1/tasks/{id}/delete"
    case events = "/v1/tasks/{id}/events"
    case fetchResults = "/v1/tasks/{id}/results/fetch"
    case artefact = "/v1/artefacts/{sha256}"
    case stream = "/v1/events"
    case labels = "/v1/labels"
    case endpoints = "/v1/endpoints"
    case endpoint = "/v1/endpoints/{service}/{operation}"
    case pause = "/v1/endpoints/{service}/{operation}/pause"
    case resume = "/v1/endpoints/{service}/{operation}/resume"
    case resumeAll = "/v1/resume"
    case restore = "/v1/restore"
    case reconcile = "/v1/reconcile"
    case status = "/v1/status"
    case backup = "/v1/backup"
    case doctor = "/v1/doctor"
    case reload = "/v1/reload"
    case prune = "/v1/prune"
    case spend = "/v1/spend"
    case budgets = "/v1/budgets"
    case budget = "/v1/budgets/{name}"
    case notifications = "/v1/notifications"
    case deadLetters = "/v1/notifications/dead"
    case replay = "/v1/notifications/{name}/replay"
    case testDestination = "/v1/notifications/{name}/test"
    case gateway = "/v1/gateway"
    case gatewayTokens = "/v1/gateway/tokens"
    case gatewayTokenRemoval = "/v1/gateway/tokens/{name}/remove"
    case dashboardLogins = "/v1/dashboard/logins"
    case metrics = "/metrics"
    case health = "/healthz"
    case readiness = "/readyz"
    case description = "/openapi.json"

    /// The path with its placeholders filled in order, each percent-encoded so that it stays one segment.
    package func path(_ arguments: String...) -> String {
        var path = ""
        var arguments = arguments[...]
        var rest = rawValue.utf8[...]
        while let open = rest.firstIndex(of: UInt8(ascii: "{")), let close = rest.firstIndex(of: UInt8(ascii: "}")) {
            path += rawValue[rest.startIndex..<open]
            path += (arguments.popFirst() ?? "").percentEncodedSegment
            rest = rest[rest.index(after: close)...]
        }
        return path + rawValue[rest.startIndex...]
    }
}

/// The media types of the socket.
package enum MediaType {
    package static let json = "application/json"
    /// One JSON document per line: many submissions at once.
    package static let jsonLines = "application/x-ndjson"
    /// Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
    package static let eventStream = "text/event-stream"
    /// The text format of Prometheus.
    package static let metrics = "text/plain; version=0.0.4; charset=utf-8"
    /// RFC 9457.
    package static let problem = "application/problem+json"
}

/// The header fields of the socket beyond those of HTTP, in lower case.
package enum HeaderName {
    /// The same value as `idempotency_key` in the body.
    package static let idempotencyKey = "idempotency-key"
    /// The id of the last event that a stream's client has received.
    package static let lastEventID = "last-event-id"
}
