import TaskModel

/// How long tasks of one kind take: a small summary of fixed size that fades with time.
///
/// Successes follow a log-normal whose mean and spread are learned (``NormalInverseGamma``); where a histogram of the same
/// tasks has foretold them better, it takes over by as much. Failures are kept apart, with a distribution of their own
/// and a share. About the last sixty tasks count; when a run of them is unlike what was expected, only that run.
/// Always finite: the hazard is never zero and never beyond bounds, however old a task grows.
package struct DurationModel: Sendable, Hashable {
    var successes: DurationRecord
    var failures: DurationRecord
    /// Faded numbers of tasks that succeeded and failed, for their shares.
    var succeeded = 0.0
    var failed = 0.0
    /// How many tasks it has learned from, faded or not; those that were given up count too.
    package internal(set) var sampleCount = 0
    /// How much better it has foretold its own tasks than the wider model beside it did, in nats, fading.
    var advantage = 0.0
    /// What all of this amounts to.
    private(set) var curve: PiecewiseHazard

    /// Expects what the documents say, and that they are wrong by a factor of two or so.
    ///
    /// `typical` is the documented usual time, `upper` the documented longest; without either a minute is assumed.
    package init(typical: Duration? = nil, upper: Duration? = nil) {
        let middle = typical ?? upper.map { $0 / 2 } ?? .seconds(60)
        let mean = Self.logarithmic(middle)
        let reach = upper.map { (Self.logarithmic($0) - mean) / 2 } ?? 0
        self.init(
            successes: .documented(mean: mean, doubt: max(reach, typical == nil && upper == nil ? 1.2 : 0.8)),
            failures: NormalInverseGamma(mean: mean - 1.4, meanWeight: 0.5, spread: 0.8, spreadWeight: 2))
    }

    /// Expects what a wider model knows: for tasks of one model, what its endpoint's tasks took.
    ///
    /// Partial pooling (Gelman et al., "Bayesian Data Analysis", chapter 5): the wider model counts as one task, so the
    /// second task of its own already weighs as much.
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

    // MARK: What to expect

    /// The chance per second to end now, for a task of that age that has not ended.
    package func hazard(at age: Duration) -> Double { curve.hazard(at: age.inSeconds) }

    /// The age by which that share of tasks has ended; `share` is taken to lie within 0 and 0.999999.
    package func quantile(_ share: Double) -> Duration { quantile(share, beyond: .zero) }

    /// The age by which that share of those tasks has ended that are still running at `age`.
    package func quantile(_ share: Double, beyond age: Duration) -> Duration {
        let age = max(age, .zero)
        let share = share.isFinite ? share.clamped(to: 0...0.999_999) : 0
        let total = curve.cumulatedHazard(at: age.inSeconds) - logarithm(onePlus: -share)
        return max(.seconds(rounding: curve.age(atCumulatedHazard: total)), age)
    }

    /// Whether a task of that age has outlasted 99 of 100 of its kind.
    package func isSlow(at age: Duration) -> Bool { curve.cumulatedHazard(at: age.inSeconds) > -logarithm(0.01) }

    // MARK: The curve

    /// Draws the curve anew; after every change of what it follows from.
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
        // From a tenth of a second to half a year, so that every age is near a knot.
        for step in 0...53 { logs.append(-2.3 + Double(step) * 0.36) }
        let ages = logs.filter { $0 > -3 && $0 < 17 }.sorted().map(exponential)
        curve = PiecewiseHazard(through: ages) { age in
            let x = logarithm(age)
            // A few are late for reasons that have nothing to do with the rest: a Pareto tail from the middle on.
            let late = age > outlierStart ? exponential(-Self.outlierExponent * (x - successes.prediction.location)) : 1
            let above = (1 - Self.outliers) * successes.above(x) + Self.outliers * late
            let below = (1 - Self.outliers) * successes.below(x) + Self.outliers * (1 - late)
            return (
                (1 - share) * above + share * failures.above(x), (1 - share) * below + share * failures.below(x)
            )
        }
    }

    /// A twentieth of a failure in three tasks is assumed before any was seen: little, since looking for them costs calls.
    private static let failuresAssumed = 0.05
    private static let endingsAssumed = 3.0
    /// The share of tasks that are stuck somewhere, and how fast these end.
    private static let outliers = 0.01
    private static let outlierExponent = 1.5

    static func logarithmic(_ duration: Duration) -> Double {
        logarithm(duration.inSeconds.clamped(to: 0.05...1e7))
    }
}

extension NormalInverseGamma {
    /// A documented time that may be wrong: `doubt` is the spread of the logarithm of the first task around it.
    ///
    /// Tasks of one kind are expected to vary by a third, which counts as four tasks; less would foretell uniform tasks
    /// better after ten samples, and varied ones worse after one. What is left of the doubt is doubt about the mean, and
    /// says how little the document weighs. The middle is taken a third below the document, since to wait for a document
    /// that is four times too long costs more than to ask in vain for one that is four times too short. The simulator's
    /// figures decided all three.
    static func documented(mean: Double, doubt: Double) -> Self {
        let spread = 0.33
        return Self(
            mean: mean - 0.4, meanWeight: 1 / max(doubt * doubt / (spread * spread) - 1, 0.5), spread: spread,
            spreadWeight: 4)
    }
}
