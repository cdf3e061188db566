package import TaskModel

/// When to look again for a submission whose reply was lost.
///
/// At once, then within `maxGap` for ten minutes, then less and less often: a record that is late appears within
/// minutes, and one that never appears must not be asked for for ever at full pace.
package struct LookupPolicy: Sendable, Hashable {
    /// The longest gap during the first ten minutes; settings `polling.max_gap_seconds`.
    package let maxGap: Duration
    /// How long the full pace is kept.
    package let eager: Duration
    /// The longest gap of all.
    package let slowest: Duration

    package init(maxGap: Duration = .seconds(60), eager: Duration = .seconds(600), slowest: Duration = .seconds(21600))
    {
        self.maxGap = maxGap
        self.eager = eager
        self.slowest = slowest
    }

    /// When to look next after a look-up at `now` that did not find it.
    package func nextLookup(lostAt: Timestamp, now: Timestamp, using random: inout some RandomNumberGenerator)
        -> Timestamp
    {
        // One lost in the future, since the clock was set back, is as old as nobody knows: the full pace, no faster.
        let age = now < lostAt ? min(lostAt - now, eager - .milliseconds(1)) : now - lostAt
        // A quarter of the age, so that the first look-ups follow each other closely; from ten minutes on half of it.
        let gap =
            age < eager ? min(max(age / 4, .seconds(1)), maxGap) : (age / 2).clamped(to: min(maxGap, slowest)...slowest)
        return now + max(gap * Double.random(in: 0.9...1.0, using: &random), .milliseconds(100))
    }
}
