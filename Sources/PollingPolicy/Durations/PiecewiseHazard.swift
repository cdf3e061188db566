/// A survival curve of durations, as pieces of constant hazard.
///
/// Hazard, survival, quantiles and the best time to poll have closed forms. The hazard is never zero, and constant
/// beyond the last knot.
struct PiecewiseHazard: Sendable, Hashable {
    /// Where pieces begin, in seconds; the first is 0.
    private(set) var knots: [Double] = [0]
    /// The hazard from each knot to the next, per second.
    private(set) var hazards: [Double] = [Self.leastHazard]
    /// The hazard integrated up to each knot.
    private(set) var cumulated: [Double] = [0]

    /// The lowest hazard, about one end in four months. A task of any age may still end.
    static let leastHazard = 1e-7

    /// Interpolates a distribution at ascending ages above zero.
    ///
    /// The distribution returns the shares above and below an age, so that both tails keep their precision.
    init(through ages: [Double], of distribution: (Double) -> (above: Double, below: Double)) {
        knots.reserveCapacity(ages.count + 1)
        hazards.reserveCapacity(ages.count + 1)
        cumulated.reserveCapacity(ages.count + 1)
        for age in ages {
            let (above, below) = distribution(age)
            let last = knots.count - 1
            let total = below < 0.5 ? -logarithm(onePlus: -below) : -logarithm(max(above, 1e-300))
            let width = age - knots[last]
            guard width > 0 else { continue }
            let hazard = max((total - cumulated[last]) / width, Self.leastHazard)
            hazards[last] = hazard
            knots.append(age)
            cumulated.append(cumulated[last] + hazard * width)
            hazards.append(hazard)
        }
    }

    /// The index of the piece that contains an age.
    func piece(at age: Double) -> Int {
        var low = 0
        var high = knots.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if knots[middle] <= age { low = middle } else { high = middle }
        }
        return low
    }

    func hazard(at age: Double) -> Double { hazards[piece(at: max(age, 0))] }

    /// The hazard integrated from 0 to an age: minus the logarithm of the share that lasts longer.
    func cumulatedHazard(at age: Double) -> Double {
        let age = max(age, 0)
        let piece = piece(at: age)
        return cumulated[piece] + hazards[piece] * (age - knots[piece])
    }

    /// The age at which the integrated hazard reaches a total.
    func age(atCumulatedHazard total: Double) -> Double {
        var low = 0
        var high = cumulated.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if cumulated[middle] <= total { low = middle } else { high = middle }
        }
        return knots[low] + max(total - cumulated[low], 0) / hazards[low]
    }
}
