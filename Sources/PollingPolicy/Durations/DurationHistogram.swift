import TaskModel

/// How often durations fell into each of fifty fixed bins, the past fading: for shapes that no bell describes.
struct DurationHistogram: Sendable, Hashable {
    /// Weights of the bins; bin `i` holds durations from `edge(i)` to `edge(i + 1)`.
    var weights = [Double](repeating: 0, count: Self.bins)

    /// A quarter of a second to seven hours, in steps of about a quarter.
    static let bins = 48
    private static let lowest = -1.3862943611198906
    private static let width = 0.24

    /// The logarithm of where a bin begins; outside durations fall into the first and the last one.
    static func edge(_ bin: Int) -> Double { lowest + Double(bin) * width }
    static func bin(of x: Double) -> Int { Int(((x - lowest) / width).clamped(to: 0...Double(bins - 1))) }

    var total: Double { weights.reduce(0, +) }

    mutating func add(_ x: Double, weight: Double) {
        weights[Self.bin(of: x)] += weight
    }

    mutating func fade(by factor: Double) {
        for bin in weights.indices { weights[bin] *= factor }
    }

    /// The weights summed up from the left, one more than there are bins.
    func sums() -> [Double] {
        var sums = [0.0]
        for weight in weights { sums.append(sums[sums.count - 1] + weight) }
        return sums
    }

    /// The weight below the logarithm `x`, spread evenly within its bin.
    static func weight(below x: Double, in sums: [Double]) -> Double {
        let place = ((x - lowest) / width).clamped(to: 0...Double(bins))
        let bin = min(Int(place), bins - 1)
        return sums[bin] + (sums[bin + 1] - sums[bin]) * (place - Double(bin))
    }
}
