/// A task with what was asked for and what came back.
package struct StoredTask: Sendable, Hashable {
    package let task: TrackedTask
    package let payload: TaskPayload

    package init(task: TrackedTask, payload: TaskPayload) {
        self.task = task
        self.payload = payload
    }
}

/// A line of the log with its place in it.
package struct StoredEvent: Sendable, Hashable {
    /// Grows over the whole log; has gaps within one task.
    package let sequence: Int64
    package let task: TaskID
    package let entry: TaskLogEntry

    package init(sequence: Int64, task: TaskID, entry: TaskLogEntry) {
        self.sequence = sequence
        self.task = task
        self.entry = entry
    }
}
