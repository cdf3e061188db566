package import TaskModel

/// A rate that grows in steps while requests succeed and halves when the provider throttles.
///
/// D.-M. Chiu, R. Jain, "Analysis of the increase and decrease algorithms for congestion avoidance in computer networks",
/// Computer Networks and ISDN Systems 17 (1989): additive increase with multiplicative decrease converges to a fair and
/// full use. Throttled replies within one second count once, since their requests were in flight together.
package struct AIMDRate: Sendable, Hashable {
    /// The highest rate, in requests per second.
    package let ceiling: Double
    /// The lowest rate.
    package let floor: Double
    /// The rate now.
    package private(set) var rate: Double
    private var raisedAt: Timestamp
    private var cutAt: Timestamp?

    /// How many seconds it takes to grow from nothing to the ceiling.
    private static let recovery = 60.0

    /// Starts at the ceiling.
    package init(ceiling: Double, at now: Timestamp) {
        self.ceiling = max(ceiling, 0.001)
        floor = self.ceiling / 64
        rate = self.ceiling
        raisedAt = now
    }

    /// Raises the rate after a reply that does not throttle.
    package mutating func succeeded(at now: Timestamp) {
        let elapsed = max(now - raisedAt, .zero).inSeconds
        // Idle time does not raise it: it shows nothing about what the provider accepts.
        rate = min(rate + ceiling / Self.recovery * min(elapsed, 1), ceiling)
        raisedAt = now
    }

    /// Halves the rate after a throttled reply.
    package mutating func throttled(at now: Timestamp) {
        raisedAt = now
        if let cutAt, now >= cutAt, now - cutAt < .seconds(1) { return }
        cutAt = now
        rate = max(rate / 2, floor)
    }
}
