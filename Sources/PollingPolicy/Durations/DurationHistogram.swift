import TaskModel

/// A fading histogram of durations in 48 fixed bins, for shapes that no log-normal fits.
struct DurationHistogram: Sendable, Hashable {
    /// The weights of the bins. Bin `i` holds durations from `edge(i)` to `edge(i + 1)`.
    var weights = [Double](repeating: 0, count: Self.bins)

    /// From a quarter of a second to seven hours, each bin about a quarter wider than the one before.
    static let bins = 48
    private static let lowest = -1.3862943611198906
    private static let width = 0.24

    /// The logarithm of a bin's lower edge. Durations outside the range count in the first or the last bin.
    static func edge(_ bin: Int) -> Double { lowest + Double(bin) * width }
    static func bin(of x: Double) -> Int { Int(((x - lowest) / width).clamped(to: 0...Double(bins - 1))) }

    var total: Double { weights.reduce(0, +) }

    mutating func add(_ x: Double, weight: Double) {
        weights[Self.bin(of: x)] += weight
    }

    mutating func fade(by factor: Double) {
        for bin in weights.indices { weights[bin] *= factor }
    }

    /// The cumulative weights, from 0: one more than there are bins.
    func sums() -> [Double] {
        var sums = [0.0]
        for weight in weights { sums.append(sums[sums.count - 1] + weight) }
        return sums
    }

    /// The weight below the logarithm `x`, interpolated within its bin.
    static func weight(below x: Double, in sums: [Double]) -> Double {
        let place = ((x - lowest) / width).clamped(to: 0...Double(bins))
        let bin = min(Int(place), bins - 1)
        return sums[bin] + (sums[bin + 1] - sums[bin]) * (place - Double(bin))
    }
}
