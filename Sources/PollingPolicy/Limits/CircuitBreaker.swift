package import TaskModel

/// Keeps calls from an endpoint that fails again and again, and lets one through to see whether it is well.
///
/// M. T. Nygard, "Release It!", 2007, chapter "Circuit Breaker".
package struct CircuitBreaker: Sendable, Hashable {
    /// Whether calls pass.
    package enum State: Sendable, Hashable {
        /// All pass; so many failed in a row.
        case closed(failures: Int)
        /// None passes until then.
        case open(until: Timestamp)
        /// One is under way since then, and decides.
        case halfOpen(since: Timestamp)
    }

    /// Where it stands.
    package private(set) var state: State = .closed(failures: 0)
    /// How many failures in a row open it.
    package let threshold: Int
    /// How long a call may be under way before it counts as lost.
    package let patience: Duration
    /// How often in a row it has opened; a ``Backoff`` turns that into how long.
    package private(set) var trips = 0
    private let backoff: Backoff

    /// Closed; how long it stays open is the backoff's to say.
    package init(threshold: Int = 5, patience: Duration = .seconds(60), backoff: Backoff = Backoff()) {
        self.threshold = max(threshold, 1)
        self.patience = patience
        self.backoff = backoff
    }

    /// Asks to make a call now; true reserves the one call of a half-open circuit.
    package mutating func permits(at now: Timestamp) -> Bool {
        switch state {
        case .closed: return true
        case .open(let until):
            guard now >= until else { return false }
        case .halfOpen(let since):
            // A call whose end nobody reported must not keep the circuit shut for ever; nor must a clock set back.
            guard now < since || now - since >= patience else { return false }
        }
        state = .halfOpen(since: now)
        return true
    }

    /// When to ask again, for one that does not let calls pass; `now` if it does.
    package func opens(at now: Timestamp) -> Timestamp {
        switch state {
        case .closed: now
        case .open(let until): max(until, now)
        case .halfOpen(let since): max(since + patience, now)
        }
    }

    /// A call went through. One that began before the circuit opened does not close it.
    package mutating func succeeded() {
        if case .open = state { return }
        state = .closed(failures: 0)
        trips = 0
    }

    /// A call failed.
    package mutating func failed(
        at now: Timestamp, retryAfter: Duration? = nil, using random: inout some RandomNumberGenerator
    ) {
        switch state {
        case .closed(let failures) where failures + 1 < threshold:
            state = .closed(failures: failures + 1)
        case .open:
            // It was under way when the circuit opened and says nothing new.
            break
        case .closed, .halfOpen:
            trips += 1
            state = .open(until: backoff.retry(after: trips, at: now, retryAfter: retryAfter, using: &random))
        }
    }
}
