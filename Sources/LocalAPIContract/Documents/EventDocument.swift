package import VerbatimJSON

/// One line of a task's log.
package struct EventDocument: ContractDocument {
    /// Grows over the whole log.
    package var sequence = 0
    package var taskID = ""
    /// RFC 3339.
    package var at = ""
    /// What happened, one word: `submission_accepted`.
    package var kind = ""
    /// The state before; nil for the first event.
    package var from: String?
    /// The state after; nil if the event changed nothing.
    package var to: String?
    /// Further facts; null if there are none.
    package var detail = JSONValue.null

    package init() {}

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

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("sequence", &sequence)
        try coder.required("task_id", &taskID)
        try coder.required("at", &at)
        try coder.required("kind", &kind)
        try coder.member("from", &from)
        try coder.member("to", &to)
        try coder.member("detail", &detail)
    }
}

/// A page of the log of one task, oldest first.
package struct EventPage: ContractDocument {
    package var events: [EventDocument] = []
    /// When the log of the task was removed, RFC 3339; nil if it was not.
    package var removedAt: String?

    package init() {}

    package init(events: [EventDocument], removedAt: String? = nil) {
        self.events = events
        self.removedAt = removedAt
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.documents("events", &events)
        try coder.member("removed_at", &removedAt)
    }
}
