package import TaskModel

/// Limits a rate: tokens arrive at a steady rate, and a full bucket allows a short burst.
///
/// J. S. Turner, "New directions in communications (or which way to the information age?)", IEEE Communications Magazine
/// 24 (1986). A clock that is set back delays one token at most; a clock that jumps ahead fills the bucket, no more.
package struct TokenBucket: Sendable, Hashable {
    /// Tokens per second.
    package private(set) var rate: Double
    /// The largest burst.
    package let capacity: Double
    private var tokens: Double
    private var filledAt: Timestamp

    /// A full bucket. Rates below one token in about a quarter of an hour are raised to that.
    package init(rate: Double, capacity: Double, at now: Timestamp) {
        self.rate = max(rate, 0.001)
        self.capacity = max(capacity, 1)
        tokens = self.capacity
        filledAt = now
    }

    /// Takes a token; false if there is none.
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

    /// When the next token arrives; `now` if there is one.
    package mutating func nextToken(at now: Timestamp) -> Timestamp {
        fill(at: now)
        guard tokens < 1 else { return now }
        return now + max(.seconds(rounding: (1 - tokens) / rate), .milliseconds(1))
    }

    /// Changes the rate from now on. The tokens in the bucket stay.
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
