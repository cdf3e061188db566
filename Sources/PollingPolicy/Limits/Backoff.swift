package import TaskModel

/// How long to leave an endpoint alone after failures in a row: exponential with full jitter.
///
/// The form is Marc Brooker's ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015): a random share of a
/// doubling bound, which spreads clients best. A floor keeps the share from coming out near nothing.
package struct Backoff: Sendable, Hashable {
    /// The bound after the first failure.
    package let base: Duration
    /// The largest bound.
    package let cap: Duration

    package init(base: Duration = .seconds(2), cap: Duration = .seconds(60)) {
        self.base = base
        self.cap = max(base, cap)
    }

    /// When to try again after that many failures in a row; never before the provider's own Retry-After is over.
    package func retry(
        after failures: Int, at now: Timestamp, retryAfter: Duration?, using random: inout some RandomNumberGenerator
    ) -> Timestamp {
        let bound = min(base * Double(1 << min(max(failures - 1, 0), 20)), cap)
        let wait = bound * Double.random(in: 0.5...1, using: &random)
        return now + max(wait, min(retryAfter ?? .zero, .seconds(86_400)))
    }
}
