package import TaskModel

/// The rate that a provider bears: grows by steps while all goes well, is halved when it says "too many".
///
/// D.-M. Chiu, R. Jain, "Analysis of the increase and decrease algorithms for congestion avoidance in computer networks",
/// Computer Networks and ISDN Systems 17 (1989): additive increase with multiplicative decrease is what converges to a
/// fair and full use. Several refusals within a second are one event, since their requests were under way together.
package struct AIMDRate: Sendable, Hashable {
    /// The rate that is never exceeded, in requests per second.
    package let ceiling: Double
    /// The rate that it never falls below.
    package let floor: Double
    /// The rate now.
    package private(set) var rate: Double
    /// Nothing goes out before this point; nil where nothing was said.
    package private(set) var notBefore: Timestamp?
    private var raisedAt: Timestamp
    private var cutAt: Timestamp?

    /// How long it takes to grow back from nothing to the ceiling.
    private static let recovery = 60.0

    /// Begins at the ceiling.
    package init(ceiling: Double, at now: Timestamp) {
        self.ceiling = max(ceiling, 0.001)
        floor = self.ceiling / 64
        rate = self.ceiling
        raisedAt = now
    }

    /// The provider answered, and not with "too many".
    package mutating func succeeded(at now: Timestamp) {
        let elapsed = max(now - raisedAt, .zero).inSeconds
        // An idle time earns nothing: it has not shown what the provider bears.
        rate = min(rate + ceiling / Self.recovery * min(elapsed, 1), ceiling)
        raisedAt = now
    }

    /// The provider said "too many", and perhaps when to come back (believed up to a day).
    package mutating func throttled(at now: Timestamp, retryAfter: Duration? = nil) {
        if let retryAfter, retryAfter > .zero {
            let until = now + min(retryAfter, .seconds(86_400))
            notBefore = max(until, notBefore ?? until)
        }
        raisedAt = now
        if let cutAt, now >= cutAt, now - cutAt < .seconds(1) { return }
        cutAt = now
        rate = max(rate / 2, floor)
    }

    /// When something may go out as far as "come back later" is concerned.
    package func opens(at now: Timestamp) -> Timestamp { max(notBefore ?? now, now) }
}
