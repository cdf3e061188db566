/// What is believed of the logarithm of a duration, before and after samples: normal with unknown mean and spread.
///
/// The conjugate prior of that is the normal-inverse-gamma (A. Gelman et al., "Bayesian Data Analysis", 3rd edition,
/// section 3.3): as if `meanWeight` samples at `mean` and `spreadWeight` samples of `spread` had been seen. Both are
/// fewer than one or two real samples, so the first handful of tasks outweighs any document.
struct NormalInverseGamma: Sendable, Hashable {
    let mean: Double
    let meanWeight: Double
    let spread: Double
    let spreadWeight: Double

    /// What one more duration is expected to be, after these.
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
