import TaskModel

extension DurationModel {
    /// Learns from one task that has ended or was given up.
    ///
    /// A duration known only as an interval between two polls is spread over it as the model predicts. A task that was given
    /// up is spread beyond its age in the same way. The wider the range is under the prediction, the less the sample weighs.
    /// That is one step of the EM algorithm per sample (D. M. Titterington, "Recursive parameter estimation using incomplete
    /// data", Journal of the Royal Statistical Society B 46, 1984).
    package mutating func learn(_ sample: DurationSample) {
        learnWithoutRebuilding(sample)
        rebuildCurve()
    }

    /// Learns from one task, and scores the prediction against that of the parent model.
    ///
    /// `wider` is the parent, and must not have learned from the task yet.
    package mutating func learn(_ sample: DurationSample, beside wider: DurationModel) {
        if sample.ending != .censored {
            let gain = logarithm(share(of: sample)) - logarithm(wider.share(of: sample))
            advantage = (advantage * DurationRecord.memory + gain).clamped(to: -10...10)
        }
        learn(sample)
    }

    /// Whether this model has predicted its tasks better than its parent, by a Bayes factor of `e` at least.
    ///
    /// Both are scored by what they predicted before each task ended (Dawid's prequential approach). R. E. Kass and A. E.
    /// Raftery ("Bayes factors", Journal of the American Statistical Association 90, 1995) call a smaller factor "not worth
    /// more than a bare mention".
    package var outpredictsParent: Bool { sampleCount >= 3 && advantage > 1 }

    /// The probability that the model gave to about this duration.
    private func share(of sample: DurationSample) -> Double {
        let high = (sample.atMost ?? sample.atLeast).inSeconds
        let low = sample.atLeast.inSeconds
        // At least a tenth of the duration wide, since an exact duration would have no probability.
        let slack = max(0.05 * high - (high - low) / 2, 0)
        let above = exponential(-curve.cumulatedHazard(at: low - slack))
        return max(
            above * -exponentialMinusOne(
                -(curve.cumulatedHazard(at: high + slack) - curve.cumulatedHazard(at: low - slack))), 1e-4)
    }

    mutating func learnWithoutRebuilding(_ sample: DurationSample) {
        sampleCount = min(sampleCount + 1, 1_000_000_000)
        let low = Self.logarithmic(sample.atLeast)
        let high = sample.atMost.map(Self.logarithmic)
        switch sample.ending {
        case .succeeded:
            let points = successes.prediction.points(from: low, to: high)
            successes.learn(points)
            fade()
            succeeded += 1
        case .failed:
            failures.learn(failures.prediction.points(from: low, to: high))
            fade()
            failed += 1
        case .censored:
            successes.learn(successes.prediction.points(from: low, to: nil))
        }
    }

    private mutating func fade() {
        succeeded *= DurationRecord.memory
        failed *= DurationRecord.memory
    }
}

extension StudentTPredictive {
    /// The points that stand for a duration known only to lie in a range, with their weights.
    func points(from low: Double, to high: Double?) -> [(x: Double, weight: Double)] {
        let start = below(low)
        let share = (high.map(below) ?? 1) - start
        let weight = 1 - share * share
        if let high, high - low < 0.05 || share < 1e-4 { return [((low + high) / 2, weight)] }
        guard share >= 1e-4 else { return [(low + 0.2, weight)] }
        return (0..<5).map { step in
            let score = NormalDistribution.quantile(start + share * (Double(step) + 0.5) / 5)
            return (logarithmic(atScore: score).clamped(to: low...(high ?? .infinity)), weight / 5)
        }
    }
}
