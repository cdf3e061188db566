package import FoundationEssentials

/// A point on the wall clock, in whole milliseconds since 1970-01-01T00:00:00Z.
///
/// Rules take it as an argument and never read a clock.
package struct Timestamp: Sendable, Hashable, Comparable {
    /// Milliseconds since the Unix epoch.
    package let milliseconds: Int64

    /// Takes milliseconds since the Unix epoch.
    package init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    /// Takes seconds since the Unix epoch, rounded to milliseconds; nil outside the years 1 to 9999.
    package init?(unixSeconds: Double) {
        guard unixSeconds > -62_135_596_800, unixSeconds < 253_402_300_800 else { return nil }
        milliseconds = Int64((unixSeconds * 1000).rounded())
    }

    /// Takes a Foundation date, rounded to milliseconds.
    package init(_ date: Date) {
        milliseconds = Int64((date.timeIntervalSince1970 * 1000).rounded())
    }

    /// Seconds since the Unix epoch, with milliseconds as fraction.
    package var unixSeconds: Double { Double(milliseconds) / 1000 }

    package static func < (left: Self, right: Self) -> Bool { left.milliseconds < right.milliseconds }

    /// The later time, clamped to the range.
    package static func + (left: Self, right: Duration) -> Self {
        let (sum, overflow) = left.milliseconds.addingReportingOverflow(right.wholeMilliseconds)
        return Timestamp(milliseconds: overflow ? (right < .zero ? .min : .max) : sum)
    }

    /// The earlier time, clamped to the range.
    package static func - (left: Self, right: Duration) -> Self { left + (.zero - right) }

    /// The time from `right` to `left`; negative if `left` is earlier.
    package static func - (left: Self, right: Self) -> Duration {
        let (difference, overflow) = left.milliseconds.subtractingReportingOverflow(right.milliseconds)
        return .milliseconds(overflow ? (left < right ? Int64.min : .max) : difference)
    }
}

extension Duration {
    /// A duration from seconds, rounded to milliseconds.
    package static func seconds(rounding seconds: Double) -> Duration {
        .milliseconds(Int64((seconds.clamped(to: -1e15...1e15) * 1000).rounded()))
    }

    /// The duration in whole milliseconds, truncated and clamped to the range.
    package var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, tooLong) = seconds.multipliedReportingOverflow(by: 1000)
        let (sum, overflow) = whole.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
        return tooLong || overflow ? (seconds < 0 ? .min : .max) : sum
    }

    /// The duration in seconds with its fraction.
    package var inSeconds: Double {
        // Reads the components once, because it divides 128-bit integers.
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
}

extension Comparable {
    /// The nearest value in the range.
    ///
    /// Inlinable, because otherwise each use in another module looks up the types at run time.
    @inlinable
    package func clamped(to range: ClosedRange<Self>) -> Self {
        min(max(self, range.lowerBound), range.upperBound)
    }
}
