import TaskModel

/// Decides when to poll, minimising `latency + price · calls`.
///
/// Pure: history, model, time and randomness are arguments. ``bestGap(on:at:price:)`` explains the method.
package struct PollingPolicy: Sendable, Hashable {
    /// The shortest gap between two polls of a task; setting `polling.min_gap_seconds`.
    package let minGap: Duration
    /// The longest gap; setting `polling.max_gap_seconds`.
    package let maxGap: Duration
    /// How much latency one saved call is worth.
    package let latencyPrice: Duration

    /// A policy with these bounds and price. A `maxGap` below `minGap` counts as `minGap`.
    package init(
        minGap: Duration = .seconds(1), maxGap: Duration = .seconds(60), latencyPrice: Duration = .milliseconds(500)
    ) {
        self.minGap = minGap
        self.maxGap = max(minGap, maxGap)
        self.latencyPrice = max(latencyPrice, .milliseconds(1))
    }

    /// The longest gap for a task whose records are not understood; `maxGap`, if that is longer.
    ///
    /// Such a task may have ended in a way that we do not know, so polling it is mostly wasted. It never stops, since its
    /// next record may be understood.
    package static let maxUnrecognisedGap: Duration = .seconds(600)

    /// Doubles the gap for each record in a row that was not understood, after the first.
    func stretched(_ gap: Duration, by unrecognisedInARow: Int) -> Duration {
        let doublings = min(max(unrecognisedInARow - 1, 0), 20)
        return min(gap * Double(1 << doublings), max(maxGap, Self.maxUnrecognisedGap))
    }
}
