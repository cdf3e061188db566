package import TaskModel

/// When to ask again, so that `latency + price · calls` is least.
///
/// Pure: history, experience, now and chance are arguments. ``bestGap(of:at:price:)`` says how.
package struct PollingPolicy: Sendable, Hashable {
    /// Never ask sooner after the last time; settings `polling.min_gap_seconds`.
    package let minGap: Duration
    /// Never wait longer; settings `polling.max_gap_seconds`.
    package let maxGap: Duration
    /// How much later one would hear of an end to save one call.
    package let latencyPrice: Duration

    /// Takes the bounds of every gap and the price of a call; a `maxGap` below `minGap` counts as `minGap`.
    package init(
        minGap: Duration = .seconds(1), maxGap: Duration = .seconds(60), latencyPrice: Duration = .milliseconds(500)
    ) {
        self.minGap = minGap
        self.maxGap = max(minGap, maxGap)
        self.latencyPrice = max(latencyPrice, .milliseconds(1))
    }

    /// How long to wait at most for a task whose records nobody understands; `maxGap`, if that is longer.
    ///
    /// Such a task may have ended in a way that is not known here, so that asking costs more than it can teach; but it
    /// is asked for ever, since its next record may be a plain one.
    package static let maxUnrecognisedGap: Duration = .seconds(600)

    /// When to poll next, for a task of which only the typical duration is known.
    ///
    /// First at the typical time, then in gaps of an eighth of the task's age. Never before `now + minGap`, nor before
    /// `retryNotBefore`; jittered by a tenth, so that tasks submitted together drift apart.
    package func nextPoll(
        after history: PollHistory, now: Timestamp, using random: inout some RandomNumberGenerator
    ) -> Timestamp {
        let age = max(now - history.submittedAt, .zero)
        let untilTypical = history.typical - age
        let gap = untilTypical > .zero ? untilTypical : age / 8
        let jittered = gap.clamped(to: minGap...maxGap) * Double.random(in: 0.9...1.1, using: &random)
        let next = now + stretched(jittered.clamped(to: minGap...maxGap), by: history.unrecognisedInARow)
        return max(next, history.retryNotBefore ?? next)
    }

    /// The first record that nobody understands changes nothing; each further one in a row doubles the gap.
    func stretched(_ gap: Duration, by unrecognisedInARow: Int) -> Duration {
        let doublings = min(max(unrecognisedInARow - 1, 0), 20)
        return min(gap * Double(1 << doublings), max(maxGap, Self.maxUnrecognisedGap))
    }
}
