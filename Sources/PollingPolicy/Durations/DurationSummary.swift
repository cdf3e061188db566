/// How long tasks of one kind took lately.
package struct DurationSummary: Sendable, Hashable {
    /// Half of them were faster.
    package let p50: Duration
    /// Nine of ten were faster.
    package let p90: Duration
    /// How many tasks this rests on.
    package let samples: Int

    /// Below this many samples the provider's documented time is trusted more.
    package static let fewest = 5

    /// Sums up observed durations (nearest-rank quantiles); nil for none.
    package init?(of durations: [Duration]) {
        guard !durations.isEmpty else { return nil }
        let sorted = durations.sorted()
        func quantile(_ share: Double) -> Duration {
            sorted[Int((Double(sorted.count) * share).rounded(.up)) - 1]
        }
        p50 = quantile(0.5)
        p90 = quantile(0.9)
        samples = sorted.count
    }
}
