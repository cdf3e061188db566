package import TaskModel

/// Computes how long to wait after failures in a row: exponential, with jitter.
///
/// Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: a random share of a doubling bound spreads
/// clients best. Here the share is at least half, so that no wait is close to zero.
package struct Backoff: Sendable, Hashable {
    /// The bound after the first failure.
    package let base: Duration
    /// The largest bound.
    package let cap: Duration

    package init(base: Duration = .seconds(2), cap: Duration = .seconds(60)) {
        self.base = base
        self.cap = max(base, cap)
    }

    /// When to try again after that many failures in a row; never before the provider's Retry-After, of a day at most.
    package func retry(
        after failures: Int, at now: Timestamp, retryAfter: Duration?, using random: inout some RandomNumberGenerator
    ) -> Timestamp {
        let bound = min(base * Double(1 << min(max(failures - 1, 0), 20)), cap)
        let wait = bound * Double.random(in: 0.5...1, using: &random)
        return now + max(wait, Self.bounded(retryAfter))
    }

    /// A Retry-After as far as it is obeyed: a day at most.
    static func bounded(_ retryAfter: Duration?) -> Duration { min(retryAfter ?? .zero, .seconds(86_400)) }
}
