package import TaskModel

/// What is known of a running task when its next poll is planned.
package struct PollHistory: Sendable, Hashable {
    /// When the provider took it.
    package var submittedAt: Timestamp
    /// How long tasks of its kind usually take; only the rule that knows no ``DurationModel`` reads it.
    package var typical: Duration
    /// Before this point nobody asks, whatever the schedule says (Retry-After).
    package var retryNotBefore: Timestamp?
    /// How many of its latest records in a row nobody understood.
    package var unrecognisedInARow: Int
    /// When the provider began to work on it, where it tells.
    package var startedAt: Timestamp?
    /// Whether it is known to wait in the provider's queue: its kind tells when it started, and it has not.
    ///
    /// Only for models whose samples begin at the start; the age of such a task is nothing.
    package var isWaiting: Bool
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
        submittedAt: Timestamp, typical: Duration = .seconds(60), retryNotBefore: Timestamp? = nil,
        unrecognisedInARow: Int = 0, startedAt: Timestamp? = nil, isWaiting: Bool = false, progress: Progress? = nil
    ) {
        self.submittedAt = submittedAt
        self.typical = typical
        self.retryNotBefore = retryNotBefore
        self.unrecognisedInARow = unrecognisedInARow
        self.startedAt = startedAt
        self.isWaiting = isWaiting
        self.progress = progress
    }

    /// How old it is: since its start where that is known, else since it was taken.
    package func age(at now: Timestamp) -> Duration {
        isWaiting ? .zero : max(now - max(startedAt ?? submittedAt, submittedAt), .zero)
    }
}
