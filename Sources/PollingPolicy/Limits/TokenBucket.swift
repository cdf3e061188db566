package import TaskModel

/// How many requests may go out: a bucket that fills at a steady rate and holds a few.
///
/// J. S. Turner, "New directions in communications (or which way to the information age?)", IEEE Communications Magazine
/// 24 (1986). A clock that is set back costs at most one token's time, one that jumps ahead fills the bucket and no more.
package struct TokenBucket: Sendable, Hashable {
    /// Tokens per second.
    package private(set) var rate: Double
    /// How many it holds: what may go out at once.
    package let capacity: Double
    private var tokens: Double
    private var filledAt: Timestamp

    /// A full bucket; a rate of nothing is taken as one in about a quarter of an hour.
    package init(rate: Double, capacity: Double, at now: Timestamp) {
        self.rate = max(rate, 0.001)
        self.capacity = max(capacity, 1)
        tokens = self.capacity
        filledAt = now
    }

    /// Takes a token if there is one, and says whether there was.
    package mutating func take(at now: Timestamp) -> Bool {
        fill(at: now)
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }

    /// How many requests may go out now.
    package mutating func available(at now: Timestamp) -> Int {
        fill(at: now)
        return Int(tokens)
    }

    /// When the next token is there; `now` if one is.
    package mutating func nextToken(at now: Timestamp) -> Timestamp {
        fill(at: now)
        guard tokens < 1 else { return now }
        return now + max(.seconds(rounding: (1 - tokens) / rate), .milliseconds(1))
    }

    /// Changes the rate from now on; what is in the bucket stays.
    package mutating func setRate(_ rate: Double, at now: Timestamp) {
        fill(at: now)
        self.rate = max(rate, 0.001)
    }

    private mutating func fill(at now: Timestamp) {
        let elapsed = max(now - filledAt, .zero).inSeconds
        tokens = min(tokens + elapsed * rate, capacity)
        filledAt = now
    }
}
