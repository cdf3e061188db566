import TaskModel

/// The `Retry-After` header field (RFC 9110, section 10.2.3): seconds, or a date.
enum RetryAfter {
    /// How long to stay away; nil for what cannot be read. `now` is when the reply came.
    static func read(_ text: String, now: Timestamp) -> Duration? {
        // White space around a field's value is not part of it, but the parser leaves what stands behind.
        let trimmed = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        if let seconds = Double(trimmed), seconds >= 0, seconds.isFinite { return .seconds(rounding: seconds) }
        return HTTPDate.read(trimmed).map { max($0 - now, .zero) }
    }
}

/// A date in a header field (RFC 9110, section 5.6.7).
enum HTTPDate {
    /// The point in time, told in the one form that servers may send today: `Sun, 06 Nov 1994 08:49:37 GMT`; nil for
    /// anything else.
    static func read(_ text: String) -> Timestamp? {
        let parts = text.split(separator: " ")
        guard parts.count == 6, parts[5] == "GMT", parts[1].count == 2,
            let month = months.firstIndex(of: String(parts[2])).map({ String($0 + 101).dropFirst() })
        else { return nil }
        return Timestamp(rfc3339: "\(parts[3])-\(month)-\(parts[1])T\(parts[4])Z")
    }

    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
}
