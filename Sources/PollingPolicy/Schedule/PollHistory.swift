package import TaskModel

/// What the schedule knows about a running task.
package struct PollHistory: Sendable, Hashable {
    /// When the provider accepted it.
    package var submittedAt: Timestamp
    /// The earliest next poll (Retry-After).
    package var retryNotBefore: Timestamp?
    /// How many of its latest records in a row were not understood.
    package var unrecognisedInARow: Int
    /// The progress that the provider reports.
    package var progress: Progress?

    /// A reported progress, and since when it has this value.
    package struct Progress: Sendable, Hashable {
        /// 0 to 100.
        package var percent: Double
        /// When a poll showed this value first. A value that stands still counts less with time.
        package var since: Timestamp

        /// A progress with that value, first seen then.
        package init(percent: Double, since: Timestamp) {
            self.percent = percent
            self.since = since
        }
    }

    /// A history; only the time of submission is always known.
    package init(
        submittedAt: Timestamp, retryNotBefore: Timestamp? = nil, unrecognisedInARow: Int = 0,
        progress: Progress? = nil
    ) {
        self.submittedAt = submittedAt
        self.retryNotBefore = retryNotBefore
        self.unrecognisedInARow = unrecognisedInARow
        self.progress = progress
    }

    /// How long ago the provider accepted it.
    package func age(at now: Timestamp) -> Duration { max(now - submittedAt, .zero) }
}
