package import TaskModel

/// What is known of a running task when its next poll is planned.
package struct PollHistory: Sendable, Hashable {
    /// When the provider took it.
    package var submittedAt: Timestamp
    /// Before this point nobody asks, whatever the schedule says (Retry-After).
    package var retryNotBefore: Timestamp?
    /// How many of its latest records in a row nobody understood.
    package var unrecognisedInARow: Int
    /// How far it is, where the provider tells.
    package var progress: Progress?

    /// A share done, and since when that is known.
    package struct Progress: Sendable, Hashable {
        /// 0 to 100.
        package var percent: Double
        /// When a poll showed this value for the first time. One that stands still loses its credit with time.
        package var since: Timestamp

        /// Takes the value and when it was first seen.
        package init(percent: Double, since: Timestamp) {
            self.percent = percent
            self.since = since
        }
    }

    /// Takes what is known; only the time of submission always is.
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
