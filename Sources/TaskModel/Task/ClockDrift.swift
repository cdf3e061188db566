/// How far the wall clock was set since some moment, jump by jump.
///
/// Nobody knows which of the clocks was right: the one at that moment, the one of today, or one between. A time that was
/// written down by one of them is off by at most the distance between ``lowest`` and ``highest``.
package struct ClockDrift: Sendable, Hashable {
    /// The sum of all jumps; negative where the clock was set back.
    package private(set) var sum: Duration
    /// The lowest that the sum has been; at most zero.
    package private(set) var lowest: Duration
    /// The highest that the sum has been; at least zero.
    package private(set) var highest: Duration

    /// What jumps may add up to before a measurement that lasted through them is worth nothing: as much as a provider's
    /// clock may differ from ours.
    package static let tolerance: Duration = .seconds(60)

    package init(sum: Duration = .zero, lowest: Duration = .zero, highest: Duration = .zero) {
        self.sum = sum
        self.lowest = min(lowest, sum, .zero)
        self.highest = max(highest, sum, .zero)
    }

    /// Adds a jump; true where the clocks that may be right reach another whole ``tolerance`` further than before.
    package mutating func add(_ jump: Duration) -> Bool {
        let before = (tolerances(lowest), tolerances(highest))
        sum += jump
        lowest = min(lowest, sum)
        highest = max(highest, sum)
        return before != (tolerances(lowest), tolerances(highest))
    }

    private func tolerances(_ span: Duration) -> Int { Int(span / Self.tolerance) }
}
