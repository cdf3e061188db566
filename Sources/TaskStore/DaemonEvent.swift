package import TaskModel
package import VerbatimJSON

/// Something that happened to the daemon as a whole, for the log.
package struct DaemonEvent: Sendable, Hashable {
    package let at: Timestamp
    /// A stable word.
    package let kind: String
    /// Further details as JSON.
    package let detail: JSONObject

    package init(at: Timestamp, kind: String, detail: JSONObject = JSONObject()) {
        self.at = at
        self.kind = kind
        self.detail = detail
    }
}

extension DaemonEvent {
    /// Tasks of these endpoints are sent that were queued at the start. The provider's list could not show whether they
    /// had been sent since that time.
    package static func startNotChecked(
        _ endpoints: [EndpointName], since: Timestamp, because reason: String, at now: Timestamp
    ) -> DaemonEvent {
        DaemonEvent(
            at: now, kind: "start_not_checked",
            detail: JSONObject([
                ("endpoints", .array(endpoints.map { .string($0.text) })), ("since", .string(since.rfc3339)),
                ("message", .string(reason)),
            ]))
    }

    /// The kind of the event that the providers' lists were compared with the tasks.
    package static let reconciled = "reconciled"

    /// The wall clock was set by so much.
    static func clockSet(by jump: Duration, at now: Timestamp) -> DaemonEvent {
        DaemonEvent(
            at: now, kind: "clock_set",
            detail: JSONObject([("by_ms", .number(JSONNumber(Int(jump.wholeMilliseconds))))]))
    }
}
