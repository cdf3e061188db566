import TaskModel

/// The samples of one outcome (success or failure): moments of the logarithm, a histogram, and change detectors.
struct DurationRecord: Sendable, Hashable {
    let belief: NormalInverseGamma
    var seen = WeightedMoments()
    var histogram = DurationHistogram()
    /// By how much the histogram has predicted better than the log-normal, in nats, fading. It starts behind.
    var histogramLead = Self.firstLead
    var upward = CUSUMDetector()
    var downward = CUSUMDetector()

    static let firstLead = -2.0
    /// The factor by which each new sample fades the earlier ones: 64 samples count in all.
    static let memory = 1 - 1.0 / 64

    init(belief: NormalInverseGamma) {
        self.belief = belief
    }

    var prediction: StudentTPredictive { belief.prediction(after: seen) }

    /// Learns the logarithm of one duration, given as weighted points.
    mutating func learn(_ points: [(x: Double, weight: Double)]) {
        let weight = points.reduce(0) { $0 + $1.weight }
        guard weight > 0 else { return }
        let middle = points.reduce(0) { $0 + $1.x * $1.weight } / weight
        let expected = prediction
        judgeHistogram(by: middle, weight: weight, beside: expected)
        let score = expected.normalScore(middle)
        upward.watch(score, sample: middle, weight: weight)
        downward.watch(-score, sample: middle, weight: weight)

        seen.fade(by: Self.memory)
        histogram.fade(by: Self.memory)
        for point in points {
            seen.add(point.x, weight: point.weight)
            histogram.add(point.x, weight: point.weight)
        }
        for watch in [upward, downward] where watch.hasNoticed {
            seen = watch.run
            histogram = DurationHistogram()
            histogramLead = Self.firstLead
            upward = CUSUMDetector()
            downward = CUSUMDetector()
        }
    }

    /// Scores histogram and log-normal by the probability that each gave to the sample's bin before learning it.
    ///
    /// A. P. Dawid, "Statistical theory: the prequential approach", Journal of the Royal Statistical Society A 147 (1984).
    private mutating func judgeHistogram(by x: Double, weight: Double, beside expected: StudentTPredictive) {
        let bin = DurationHistogram.bin(of: x)
        let bell = expected.below(DurationHistogram.edge(bin + 1)) - expected.below(DurationHistogram.edge(bin))
        let total = histogram.total
        let bars = (histogram.weights[bin] + Self.prior * bell) / (total + Self.prior)
        let gain = logarithm(max(bars, 1e-4)) - logarithm(max(bell, 1e-4))
        histogramLead = (histogramLead * Self.memory + gain * weight).clamped(to: -6...6)
    }

    /// The weight of the log-normal within the histogram, in samples.
    static let prior = 2.0

    /// The predicted distribution.
    var shape: Shape {
        Shape(
            prediction: prediction, histogramShare: 1 / (1 + exponential(-histogramLead)), sums: histogram.sums())
    }

    /// A mixture of log-normal and histogram.
    struct Shape {
        let prediction: StudentTPredictive
        let histogramShare: Double
        let sums: [Double]

        func above(_ x: Double) -> Double {
            let bell = prediction.above(x)
            guard let total = sums.last, total > 0, histogramShare > 0.01 else { return bell }
            let bars = total - DurationHistogram.weight(below: x, in: sums)
            return mixed(bell, (bars + prior * bell) / (total + prior))
        }

        func below(_ x: Double) -> Double {
            let bell = prediction.below(x)
            guard let total = sums.last, total > 0, histogramShare > 0.01 else { return bell }
            return mixed(bell, (DurationHistogram.weight(below: x, in: sums) + prior * bell) / (total + prior))
        }

        private func mixed(_ bell: Double, _ bars: Double) -> Double {
            (1 - histogramShare) * bell + histogramShare * bars
        }
    }
}

/// Detects that durations have shifted one way, with the CUSUM test.
///
/// E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954). Scores above an allowance raise the sum, others lower
/// it. At the threshold the samples since the sum was last zero are the new regime. One outlier cannot reach it.
struct CUSUMDetector: Sendable, Hashable {
    var sum = 0.0
    /// The samples since the sum was last zero.
    var run = WeightedMoments()

    private static let allowance = 0.75
    private static let threshold = 5.0

    var hasNoticed: Bool { sum > Self.threshold && run.weight >= 2 }

    mutating func watch(_ score: Double, sample: Double, weight: Double) {
        sum += (score.clamped(to: -3...3) - Self.allowance) * weight
        if sum <= 0 {
            self = CUSUMDetector()
        } else {
            run.add(sample, weight: weight)
        }
    }
}
