/// How the logarithm of a duration is spread: Student's t with location, scale and degrees of freedom.
///
/// That is what ten samples of a log-normal leave one to expect of the eleventh: wider than the samples themselves, and
/// with heavier tails, because their mean and spread are known only so well.
struct StudentTPredictive: Sendable, Hashable {
    let location: Double
    let scale: Double
    let freedom: Double

    /// How many standard deviations of a bell curve the logarithm `x` is from the middle.
    ///
    /// D. L. Wallace, "Bounds on normal approximations to Student's and the chi-square distributions", Annals of
    /// Mathematical Statistics 30 (1959): right to two digits from three degrees of freedom on, and monotone.
    func normalScore(_ x: Double) -> Double {
        let t = (x - location) / scale
        let size = (freedom * logarithm(onePlus: t * t / freedom)).squareRoot() * (8 * freedom + 1) / (8 * freedom + 3)
        return t < 0 ? -size : size
    }

    /// The logarithm with that score; the inverse of ``normalScore(_:)``.
    func logarithmic(atScore score: Double) -> Double {
        let size = score * (8 * freedom + 3) / (8 * freedom + 1)
        let t = (freedom * exponentialMinusOne(size * size / freedom)).squareRoot()
        return location + (score < 0 ? -t : t) * scale
    }

    func above(_ x: Double) -> Double { NormalDistribution.above(normalScore(x)) }
    func below(_ x: Double) -> Double { NormalDistribution.above(-normalScore(x)) }
}
