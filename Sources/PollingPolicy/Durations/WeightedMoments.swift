/// Count, mean and squared deviations of weighted numbers, updated one number at a time.
///
/// D. H. D. West, "Updating mean and variance estimates: an improved method", Communications of the ACM 22 (1979).
struct WeightedMoments: Sendable, Hashable {
    var weight = 0.0
    var mean = 0.0
    var squares = 0.0

    mutating func add(_ x: Double, weight w: Double) {
        guard w > 0 else { return }
        weight += w
        let step = x - mean
        mean += step * w / weight
        squares += step * w * (x - mean)
    }

    /// Lowers the weight of the past; the mean stays.
    mutating func fade(by factor: Double) {
        weight *= factor
        squares *= factor
    }
}
