package import TaskModel

/// Decides when to look up a submission again whose reply was lost.
///
/// It looks at once, then at least every `maxGap` for ten minutes, then less and less often. A late record appears
/// within minutes. One that never appears must not cost calls at the full pace.
package struct LookupPolicy: Sendable, Hashable {
    /// The longest gap during the first ten minutes; setting `polling.max_gap_seconds`.
    package let maxGap: Duration
    /// How long the full pace lasts.
    package let eager: Duration
    /// The longest gap afterwards.
    package let slowest: Duration

    package init(maxGap: Duration = .seconds(60), eager: Duration = .seconds(600), slowest: Duration = .seconds(21600))
    {
        self.maxGap = maxGap
        self.eager = eager
        self.slowest = slowest
    }

    /// When to look next, after a look-up at `now` that did not find it.
    package func nextLookup(lostAt: Timestamp, now: Timestamp, using random: inout some RandomNumberGenerator)
        -> Timestamp
    {
        // A future loss means that the clock was set back, and the age is unknown. Use the full pace, no faster.
        let age = now < lostAt ? min(lostAt - now, eager - .milliseconds(1)) : now - lostAt
        // The gap is a quarter of the age, so the first look-ups follow each other closely. From ten minutes on it is
        // half of the age.
        let gap =
            age < eager ? min(max(age / 4, .seconds(1)), maxGap) : (age / 2).clamped(to: min(maxGap, slowest)...slowest)
        return now + max(gap * Double.random(in: 0.9...1.0, using: &random), .milliseconds(100))
    }
}
