package import TaskModel

/// Stops requests to a target that fails repeatedly, for a time that grows with the failures in a row.
///
/// M. T. Nygard, "Release It!", 2007, chapter "Circuit Breaker". It is open until ``openUntil``. After
/// ``failuresUntilHalfOpen`` failures it is half open when that time is over: its owner sends one request at a time until
/// one succeeds.
package struct CircuitBreaker: Sendable, Hashable {
    /// Failures in a row.
    package private(set) var failures: Int
    /// No request passes before this point; nil if none has to wait.
    package private(set) var openUntil: Timestamp?

    /// About a minute of failures, with backoffs that double from two seconds.
    package static let failuresUntilHalfOpen = 5

    /// A breaker in that state; closed by default.
    package init(failures: Int = 0, openUntil: Timestamp? = nil) {
        self.failures = failures
        self.openUntil = openUntil
    }

    /// Whether it lets no request pass now.
    package func isOpen(at now: Timestamp) -> Bool { openUntil.map { $0 > now } ?? false }

    /// Whether only one request at a time may pass.
    package var isHalfOpen: Bool { failures >= Self.failuresUntilHalfOpen }

    /// Closes it after a success.
    ///
    /// A success while it is open belongs to a request from before, and changes nothing.
    package mutating func succeeded(at now: Timestamp) {
        guard !isOpen(at: now) else { return }
        self = CircuitBreaker()
    }

    /// Opens it after a failure, for at least `retryAfter`.
    ///
    /// The first `tolerated` failures in a row only count: use it for failures that say more about one request than about
    /// the target. Failures while it is open belong to requests from before, and count as one.
    package mutating func failed(
        at now: Timestamp, retryAfter: Duration? = nil, tolerated: Int = 0, backoff: Backoff,
        using random: inout some RandomNumberGenerator
    ) {
        if let openUntil, isOpen(at: now) {
            self.openUntil = max(openUntil, now + Backoff.bounded(retryAfter))
            return
        }
        failures += 1
        guard failures > tolerated || retryAfter != nil else { return }
        let rank = max(failures - tolerated, 1)
        let until = backoff.retry(after: rank, at: now, retryAfter: retryAfter, using: &random)
        openUntil = max(until, openUntil ?? until)
    }

    /// Moves its end along with a wall clock that was set.
    package mutating func move(by jump: Duration) { openUntil = openUntil.map { $0 + jump } }
}
