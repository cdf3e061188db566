import TaskModel

/// One metric with all its series.
package struct MetricFamily: Sendable, Hashable {
    package enum Kind: String, Sendable {
        case counter, gauge, histogram
    }

    /// One value of a metric.
    package struct Sample: Sendable, Hashable {
        /// Completes the metric's name: `_bucket`, `_sum` and `_count` of a histogram.
        package let suffix: String
        package let labels: [Label]
        package let value: Double
    }

    package struct Label: Sendable, Hashable {
        package let name: String
        package let value: String
    }

    package let name: String
    package let kind: Kind
    /// What it is, in one sentence.
    package let help: String
    package private(set) var samples: [Sample] = []

    package init(_ name: String, _ kind: Kind, _ help: String) {
        self.name = name
        self.kind = kind
        self.help = help
    }

    /// A metric with one series without labels.
    package init(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
        self.init(name, kind, help)
        add(value)
    }

    /// Adds a series.
    package mutating func add(_ value: Double, _ labels: (String, String)...) {
        samples.append(Sample(suffix: "", labels: labels.map { Label(name: $0.0, value: $0.1) }, value: value))
    }

    /// Adds the series of a histogram.
    mutating func add(_ histogram: Histogram, _ labels: (String, String)...) {
        let labels = labels.map { Label(name: $0.0, value: $0.1) }
        var below = 0
        for (bound, count) in zip(histogram.bounds.map { "\($0)" } + ["+Inf"], histogram.counts) {
            below += count
            samples.append(
                Sample(suffix: "_bucket", labels: labels + [Label(name: "le", value: bound)], value: Double(below)))
        }
        samples.append(Sample(suffix: "_sum", labels: labels, value: histogram.sum))
        samples.append(Sample(suffix: "_count", labels: labels, value: Double(below)))
    }
}

/// Counts durations in ranges.
struct Histogram: Sendable {
    /// The upper bounds of the ranges in seconds, ascending. One more range has no bound.
    let bounds: [Double]
    /// The number of durations in each range.
    private(set) var counts: [Int]
    /// The sum of all durations in seconds.
    private(set) var sum = 0.0

    init(_ bounds: [Double]) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    /// Counts a duration. A negative one, which a clock that was set gives, counts as zero.
    mutating func observe(_ duration: Duration) {
        let seconds = max(duration.inSeconds, 0)
        counts[bounds.firstIndex { seconds <= $0 } ?? bounds.count] += 1
        sum += seconds
    }
}
