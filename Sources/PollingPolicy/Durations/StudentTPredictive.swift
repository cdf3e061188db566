/// The posterior predictive distribution of the logarithm of a duration: Student's t.
///
/// It is wider than the samples and has heavier tails, since their mean and spread are only estimates.
struct StudentTPredictive: Sendable, Hashable {
    let location: Double
    let scale: Double
    let freedom: Double

    /// The standard normal score of the logarithm `x`.
    ///
    /// D. L. Wallace, "Bounds on normal approximations to Student's and the chi-square distributions", Annals of
    /// Mathematical Statistics 30 (1959): exact to two digits from three degrees of freedom on, and monotone.
    func normalScore(_ x: Double) -> Double {
        let t = (x - location) / scale
        let size = (freedom * logarithm(onePlus: t * t / freedom)).squareRoot() * (8 * freedom + 1) / (8 * freedom + 3)
        return t < 0 ? -size : size
    }

    /// The inverse of ``normalScore(_:)``.
    func logarithmic(atScore score: Double) -> Double {
        let size = score * (8 * freedom + 3) / (8 * freedom + 1)
        let t = (freedom * exponentialMinusOne(size * size / freedom)).squareRoot()
        return location + (score < 0 ? -t : t) * scale
    }

    func above(_ x: Double) -> Double { NormalDistribution.above(normalScore(x)) }
    func below(_ x: Double) -> Double { NormalDistribution.above(-normalScore(x)) }
}
