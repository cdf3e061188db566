/// An event of the stream with its task.
package struct StreamEventDocument: ContractDocument {
    /// The epoch of the log and the sequence of the event: `3f2a9c-4711`. A client resumes after it.
    package var id = ""
    package var event = EventDocument()
    /// The task after the event or later. It has `request`, `response` and `results` only if the client included them.
    package var task = TaskDocument()

    package init() {}

    package init(id: String, event: EventDocument, task: TaskDocument) {
        self.id = id
        self.event = event
        self.task = task
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("id", &id)
        try event.code(&coder)
        try coder.required("task", &task)
    }
}

/// Information about the stream itself.
package struct StreamControlDocument: ContractDocument {
    /// All stored events were sent; the next ones are new.
    package static let caughtUp = "caught_up"
    /// Events may be missing between the last one and those that follow.
    package static let reset = "reset"

    /// ``caughtUp`` or ``reset``.
    package var control = ""
    /// The reason of a reset: `unknown_epoch`, `pruned` or `restored`.
    package var reason: String?
    /// The id of the oldest stored event, for a reset.
    package var oldest: String?
    /// The id before the next event.
    package var newest: String?

    package init() {}

    package init(control: String, reason: String? = nil, oldest: String? = nil, newest: String? = nil) {
        self.control = control
        self.reason = reason
        self.oldest = oldest
        self.newest = newest
    }

    package mutating func code(_ coder: inout MemberCoder) throws(ContractError) {
        try coder.required("control", &control)
        try coder.member("reason", &reason)
        try coder.member("oldest", &oldest)
        try coder.member("newest", &newest)
    }
}
