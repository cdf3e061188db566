import TaskModel

/// RetrySchedule says when a notification is tried again, and when a destination counts as unreachable.
package struct RetrySchedule: Sendable, Hashable {
    /// The waits after failed tries, in order. The try after the last of them is the last.
    package let waits: [Duration]

    /// The usual waits: 42 hours in all. `isNear` is for receivers on this machine, which are soon there again.
    package init(isNear: Bool) {
        let seconds = [isNear ? 1 : 5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 86_400]
        waits = seconds.map { .seconds($0) }
    }

    /// The most tries of an event.
    package var tries: Int { waits.count + 1 }
    /// So many failures in a row close a destination.
    package static let failuresUntilClosed = 5
    /// The longest wait between two probes of a closed destination.
    package static let longestProbeWait = Duration.seconds(1_800)
    /// The longest Retry-After that is obeyed.
    package static let longestRetryAfter = Duration.seconds(86_400)
    /// How long events wait for a closed or stopped destination.
    package static let longestWait = Duration.seconds(30 * 86_400)
    /// No wait is longer than this. A time further ahead comes from a clock that was set back since.
    static let horizon = Duration.seconds(86_400 * 6 / 5 + 60)

    /// When to try again after so many failed tries of an event; nil if that was the last.
    func retry(
        after failures: Int, at now: Timestamp, _ retryAfter: Duration?, using random: inout some RandomNumberGenerator
    )
        -> Timestamp?
    {
        guard waits.indices.contains(failures - 1) else { return nil }
        return time(after: waits[failures - 1], at: now, retryAfter, using: &random)
    }

    /// When to probe a closed destination after so many failed probes.
    func probe(
        after failures: Int, at now: Timestamp, _ retryAfter: Duration?, using random: inout some RandomNumberGenerator
    )
        -> Timestamp
    {
        let wait = min(waits[min(failures, waits.count - 1)], Self.longestProbeWait)
        return time(after: wait, at: now, retryAfter, using: &random)
    }

    private func time(
        after wait: Duration, at now: Timestamp, _ retryAfter: Duration?, using random: inout some RandomNumberGenerator
    ) -> Timestamp {
        let jittered = wait * Double.random(in: 0.8...1.2, using: &random)
        return now + max(jittered, Self.bounded(retryAfter))
    }

    /// A Retry-After as far as it is obeyed.
    static func bounded(_ retryAfter: Duration?) -> Duration { min(retryAfter ?? .zero, longestRetryAfter) }
}

extension Timestamp {
    /// Whether a wait until this time is over.
    func isOver(at now: Timestamp) -> Bool { self <= now || self > now + RetrySchedule.horizon }
}
