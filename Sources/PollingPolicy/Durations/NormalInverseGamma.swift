/// The conjugate prior of a normal distribution with unknown mean and variance, for the logarithm of a duration.
///
/// A. Gelman et al., "Bayesian Data Analysis", 3rd edition, section 3.3. It counts as `meanWeight` samples at `mean` and
/// `spreadWeight` samples of `spread`, so that the first few tasks outweigh any document.
struct NormalInverseGamma: Sendable, Hashable {
    let mean: Double
    let meanWeight: Double
    let spread: Double
    let spreadWeight: Double

    /// The predictive distribution of the next duration.
    func prediction(after seen: WeightedMoments) -> StudentTPredictive {
        let weight = meanWeight + seen.weight
        let freedom = spreadWeight + seen.weight
        let apart = seen.mean - mean
        let squares =
            spreadWeight * spread * spread + seen.squares + meanWeight * seen.weight / weight * apart * apart
        return StudentTPredictive(
            location: (meanWeight * mean + seen.weight * seen.mean) / weight,
            scale: (squares / freedom * (1 + 1 / weight)).squareRoot(), freedom: freedom)
    }
}
