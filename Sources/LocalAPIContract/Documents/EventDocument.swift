package import VerbatimJSON

/// One line of a task's log.
package struct EventDocument: Sendable, Hashable {
    /// Grows over the whole log.
    package var sequence: Int
    package var taskID: String
    /// RFC 3339.
    package var at: String
    /// What happened, one word: `submission_accepted`.
    package var kind: String
    /// The state before; nil at the beginning.
    package var from: String?
    /// The state after; nil where nothing came of it.
    package var to: String?
    /// What else is known of it; null where nothing is.
    package var detail: JSONValue

    package init(
        sequence: Int, taskID: String, at: String, kind: String, from: String? = nil, to: String? = nil,
        detail: JSONValue = .null
    ) {
        self.sequence = sequence
        self.taskID = taskID
        self.at = at
        self.kind = kind
        self.from = from
        self.to = to
        self.detail = detail
    }

    /// Reads an event.
    package init(json: JSONValue) throws(ContractError) {
        let reader = try DocumentReader(json)
        sequence = try reader.required("sequence", reader.integer)
        taskID = try reader.required("task_id", reader.string)
        at = try reader.required("at", reader.string)
        kind = try reader.required("kind", reader.string)
        from = try reader.string("from")
        to = try reader.string("to")
        detail = reader.value("detail") ?? .null
    }

    /// The event as it is sent.
    package var json: JSONValue {
        [
            "sequence": .number(JSONNumber(sequence)), "task_id": .string(taskID), "at": .string(at),
            "kind": .string(kind), "from": JSONValue(from), "to": JSONValue(to), "detail": detail,
        ]
    }
}

/// The log of one task, oldest first.
package struct EventPage: Sendable, Hashable {
    package var events: [EventDocument]

    package init(events: [EventDocument]) {
        self.events = events
    }

    /// Reads a log.
    package init(json: JSONValue) throws(ContractError) {
        events = try DocumentReader(json).documents("events", EventDocument.init(json:))
    }

    /// The log as it is sent.
    package var json: JSONValue { ["events": .array(events.map(\.json))] }
}
