import TaskModel

/// When to ask again, so that `latency + price · calls` is least.
///
/// Pure: history, experience, now and chance are arguments. ``bestGap(on:at:price:)`` says how.
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

    /// The first record that nobody understands changes nothing; each further one in a row doubles the gap.
    func stretched(_ gap: Duration, by unrecognisedInARow: Int) -> Duration {
        let doublings = min(max(unrecognisedInARow - 1, 0), 20)
        return min(gap * Double(1 << doublings), max(maxGap, Self.maxUnrecognisedGap))
    }
}
