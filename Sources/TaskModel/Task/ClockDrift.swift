/// The changes of the wall clock since some moment.
///
/// Any setting of the clock since then may be the right one. A time measured by one of them is off by at most the
/// difference of ``lowest`` and ``highest``.
package struct ClockDrift: Sendable, Hashable {
    /// The sum of all jumps; negative if the clock was set back.
    package private(set) var sum: Duration
    /// The minimum of the sum; at most zero.
    package private(set) var lowest: Duration
    /// The maximum of the sum; at least zero.
    package private(set) var highest: Duration

    /// The jumps that a measurement tolerates. It equals the tolerated difference between the clocks of a provider
    /// and Pollux.
    package static let tolerance: Duration = .seconds(60)

    package init(sum: Duration = .zero, lowest: Duration = .zero, highest: Duration = .zero) {
        self.sum = sum
        self.lowest = min(lowest, sum, .zero)
        self.highest = max(highest, sum, .zero)
    }

    /// Adds a jump. Returns true if the range grows by another whole ``tolerance``.
    package mutating func add(_ jump: Duration) -> Bool {
        let before = (tolerances(lowest), tolerances(highest))
        sum += jump
        lowest = min(lowest, sum)
        highest = max(highest, sum)
        return before != (tolerances(lowest), tolerances(highest))
    }

    private func tolerances(_ span: Duration) -> Int { Int(span / Self.tolerance) }
}
