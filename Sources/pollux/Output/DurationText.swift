import FoundationEssentials

/// Formats durations and ages.
enum DurationText {
    /// `45s`, `1m 12s`, `2h 05m`, `3d 4h`.
    static func span(_ seconds: TimeInterval) -> String {
        let whole = Int(max(0, min(seconds, 1e12)).rounded(.down))
        return switch whole {
        case ..<60: "\(whole)s"
        case ..<3600: "\(whole / 60)m \(twoDigits(whole % 60))s"
        case ..<86_400: "\(whole / 3600)h \(twoDigits(whole % 3600 / 60))m"
        default: "\(whole / 86_400)d \(whole % 86_400 / 3600)h"
        }
    }

    /// Only the largest unit: `2m`.
    static func short(_ seconds: TimeInterval) -> String {
        String(span(seconds).prefix { $0 != " " })
    }

    /// `2m ago`, `in 2m`, `now`; empty for an unreadable time.
    static func age(of time: String?, now: Date) -> String {
        guard let time, let date = Date(rfc3339: time) else { return "" }
        let passed = now.timeIntervalSince(date)
        if abs(passed) < 1 { return "now" }
        return passed > 0 ? short(passed) + " ago" : "in " + short(-passed)
    }

    private static func twoDigits(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
}
