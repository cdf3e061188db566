/// A task with its request and response.
package struct TaskWithPayload: Sendable, Hashable {
    package let task: TrackedTask
    package let payload: TaskPayload

    package init(task: TrackedTask, payload: TaskPayload) {
        self.task = task
        self.payload = payload
    }
}

/// A log entry with its sequence number.
package struct StoredEvent: Sendable, Hashable {
    /// Increases over the whole log, so one task's numbers have gaps.
    package let sequence: Int64
    package let task: TaskID
    package let entry: TaskLogEntry

    package init(sequence: Int64, task: TaskID, entry: TaskLogEntry) {
        self.sequence = sequence
        self.task = task
        self.entry = entry
    }
}
