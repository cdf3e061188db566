import TaskModel

/// Predicts how long tasks of one kind take, from a summary of fixed size that fades with time.
///
/// - Successes follow a log-normal with learned mean and spread (``NormalInverseGamma``). A histogram of the same tasks
///   is mixed in. How well each has predicted the tasks determines its weight.
/// - Failures have a separate distribution and share.
/// - About the last sixty tasks count. When a run of them shows a change (``CUSUMDetector``), only that run counts.
/// - The hazard is finite and above zero at every age.
package struct DurationModel: Sendable, Hashable {
    var successes: DurationRecord
    var failures: DurationRecord
    /// How many tasks succeeded and failed, fading; for their shares.
    var succeeded = 0.0
    var failed = 0.0
    /// How many tasks it has learned from, without fading. Tasks that were given up count too.
    package internal(set) var sampleCount = 0
    /// By how much it has predicted its tasks better than its parent model, in nats, fading.
    var advantage = 0.0
    /// The survival curve that follows from all of this.
    private(set) var curve: PiecewiseHazard

    /// Creates a model from the documented durations. It assumes that they are wrong by a factor of about two.
    ///
    /// `typical` is the documented usual time, `upper` the documented longest. Without either it assumes a minute.
    package init(typical: Duration? = nil, upper: Duration? = nil) {
        let middle = typical ?? upper.map { $0 / 2 } ?? .seconds(60)
        let mean = Self.logarithmic(middle)
        let reach = upper.map { (Self.logarithmic($0) - mean) / 2 } ?? 0
        self.init(
            successes: .documented(mean: mean, doubt: max(reach, typical == nil && upper == nil ? 1.2 : 0.8)),
            failures: NormalInverseGamma(mean: mean - 1.4, meanWeight: 0.5, spread: 0.8, spreadWeight: 2))
    }

    /// Creates a model from its parent's prediction: for one provider model, that of all tasks of the endpoint.
    ///
    /// Partial pooling (Gelman et al., "Bayesian Data Analysis", chapter 5): the parent counts as one task.
    package init(prior: DurationModel) {
        let expected = prior.successes.prediction
        let failing = prior.failures.prediction
        self.init(
            successes: NormalInverseGamma(
                mean: expected.location, meanWeight: 1, spread: expected.scale * 0.5.squareRoot(), spreadWeight: 3),
            failures: NormalInverseGamma(
                mean: failing.location, meanWeight: 1, spread: failing.scale * 0.5.squareRoot(), spreadWeight: 3))
        failed = prior.shareOfFailures
        succeeded = 1 - failed
        rebuildCurve()
    }

    init(successes: NormalInverseGamma, failures: NormalInverseGamma) {
        self.successes = DurationRecord(belief: successes)
        self.failures = DurationRecord(belief: failures)
        curve = PiecewiseHazard(through: []) { _ in (1, 0) }
        rebuildCurve()
    }

    /// The share of tasks that are expected to fail.
    package var shareOfFailures: Double {
        (failed + Self.failuresAssumed) / (succeeded + failed + Self.failuresAssumed + Self.endingsAssumed)
    }

    // MARK: Predictions

    /// The probability per second to end now, for a task of that age that has not ended.
    package func hazard(at age: Duration) -> Double { curve.hazard(at: age.inSeconds) }

    /// The age by which that share of tasks has ended. `share` is clamped to 0...0.999999.
    package func quantile(_ share: Double) -> Duration { quantile(share, beyond: .zero) }

    /// The same for the tasks that are still running at `age`.
    package func quantile(_ share: Double, beyond age: Duration) -> Duration {
        let age = max(age, .zero)
        let share = share.isFinite ? share.clamped(to: 0...0.999_999) : 0
        let total = curve.cumulatedHazard(at: age.inSeconds) - logarithm(onePlus: -share)
        return max(.seconds(rounding: curve.age(atCumulatedHazard: total)), age)
    }

    /// Whether a task of that age takes longer than 99 of 100 of its kind.
    package func isSlow(at age: Duration) -> Bool { curve.cumulatedHazard(at: age.inSeconds) > -logarithm(0.01) }

    // MARK: The curve

    /// Computes the curve again; needed after every change of the other properties.
    mutating func rebuildCurve() {
        let share = shareOfFailures
        let successes = successes.shape
        let failures = failures.shape
        let outlierStart = exponential(successes.prediction.location)
        var logs: [Double] = []
        logs.reserveCapacity(192)
        for step in -24...20 { logs.append(successes.prediction.logarithmic(atScore: Double(step) / 4)) }
        if share > 0.002 {
            for step in -8...8 { logs.append(failures.prediction.logarithmic(atScore: Double(step) / 2.5)) }
        }
        if successes.histogramShare > 0.01 {
            for bin in 0...DurationHistogram.bins { logs.append(DurationHistogram.edge(bin)) }
        }
        // Knots from a tenth of a second to half a year, so that every age is near one.
        for step in 0...53 { logs.append(-2.3 + Double(step) * 0.36) }
        let ages = logs.filter { $0 > -3 && $0 < 17 }.sorted().map(exponential)
        curve = PiecewiseHazard(through: ages) { age in
            let x = logarithm(age)
            // Outliers: a Pareto tail from the middle on stands for the few tasks that are unusually late.
            let late = age > outlierStart ? exponential(-Self.outlierExponent * (x - successes.prediction.location)) : 1
            let above = (1 - Self.outliers) * successes.above(x) + Self.outliers * late
            let below = (1 - Self.outliers) * successes.below(x) + Self.outliers * (1 - late)
            return (
                (1 - share) * above + share * failures.above(x), (1 - share) * below + share * failures.below(x)
            )
        }
    }

    /// The prior for the share of failures: a twentieth of a failure in three tasks. It is low, because early polls for
    /// failures cost calls.
    private static let failuresAssumed = 0.05
    private static let endingsAssumed = 3.0
    /// The share of tasks that take unusually long, and the exponent of their tail.
    private static let outliers = 0.01
    private static let outlierExponent = 1.5

    static func logarithmic(_ duration: Duration) -> Double {
        logarithm(duration.inSeconds.clamped(to: 0.05...1e7))
    }
}

extension NormalInverseGamma {
    /// The prior for a documented time. `doubt` is the standard deviation of the logarithm of the first task around it.
    ///
    /// It assumes that tasks of one kind vary by a third, with the weight of four tasks. The rest of the doubt concerns
    /// the mean, and determines how little the documented time weighs. The mean lies a third below the documented time.
    /// A documented time four times too long costs more in latency than one four times too short costs in polls.
    /// `PollingSimulator` measures all three.
    static func documented(mean: Double, doubt: Double) -> Self {
        let spread = 0.33
        return Self(
            mean: mean - 0.4, meanWeight: 1 / max(doubt * doubt / (spread * spread) - 1, 0.5), spread: spread,
            spreadWeight: 4)
    }
}
