package import TaskModel

/// Decides when to look again for a submission whose reply was lost.
///
/// At once, then at least every `maxGap` for ten minutes, then less and less often. A late record appears within minutes; one
/// that never appears must not cost calls at the full pace for ever.
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
        // Lost in the future: the clock was set back, and the age is unknown. Use the full pace, no faster.
        let age = now < lostAt ? min(lostAt - now, eager - .milliseconds(1)) : now - lostAt
        // A quarter of the age, so that the first look-ups follow each other closely; from ten minutes on half of it.
        let gap =
            age < eager ? min(max(age / 4, .seconds(1)), maxGap) : (age / 2).clamped(to: min(maxGap, slowest)...slowest)
        return now + max(gap * Double.random(in: 0.9...1.0, using: &random), .milliseconds(100))
    }
}
