import ArgumentParser
import FoundationEssentials
import LocalAPIContract

/// A point in time on the command line: RFC 3339, or a duration from now.
enum TimeArgument: Equatable {
    /// RFC 3339 or `+2h`, both parsed by the daemon. The daemon counts a duration from when it stores the task, so that
    /// a repeated command with the same key stays equal.
    case forDaemon(String)
    /// A duration before now, such as `2h`.
    case ago(Duration)

    /// Reads a future time: RFC 3339 or `+2h`.
    static func future(_ text: String) throws -> TimeArgument {
        if TimeSpan.fromNow(text) != nil { return .forDaemon(text) }
        if let written = written(text) { return written }
        throw ValidationError("'\(text)' is not a future time. Write 2026-11-23T14:00:00Z, or +2h for in two hours.")
    }

    /// Reads a past time: RFC 3339 or `2h`.
    static func past(_ text: String) throws -> TimeArgument {
        if let span = TimeSpan.read(text) { return .ago(span) }
        if let written = written(text) { return written }
        throw ValidationError("'\(text)' is not a past time. Write 2026-11-23T14:00:00Z, or 2h for two hours ago.")
    }

    /// The time in a form that the daemon reads.
    func text(now: Date) -> String {
        switch self {
        case .forDaemon(let text): text
        case .ago(let span): (now - TimeInterval(span.components.seconds)).rfc3339
        }
    }

    private static func written(_ text: String) -> TimeArgument? {
        // A date without a time means its first moment in UTC.
        if text.wholeMatch(of: /\d{4}-\d{2}-\d{2}/) != nil { return written(text + "T00:00:00Z") }
        return Date(rfc3339: text) == nil ? nil : .forDaemon(text)
    }
}

extension Date {
    /// RFC 3339 in UTC with milliseconds.
    var rfc3339: String { formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)) }

    /// Reads RFC 3339, with or without a fraction; nil for anything else.
    init?(rfc3339 text: String) {
        let upper = text.uppercased()
        let styles = [true, false].map { Date.ISO8601FormatStyle(includingFractionalSeconds: $0) }
        for style in styles {
            if let date = try? style.parse(upper) {
                self = date
                return
            }
        }
        return nil
    }
}
