package import TaskModel

/// Parses the `Retry-After` header field (RFC 9110, section 10.2.3): seconds, or a date.
package enum RetryAfter {
    /// The delay; nil if the text is invalid. `now` is the time of the reply.
    package static func read(_ text: String, now: Timestamp) -> Duration? {
        // The parser leaves trailing white space, which is not part of the value.
        let trimmed = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        if let seconds = Double(trimmed), seconds >= 0, seconds.isFinite { return .seconds(rounding: seconds) }
        return HTTPDate.read(trimmed, now: now).map { max($0 - now, .zero) }
    }
}

/// Parses a header field's date in the three forms that recipients must accept (RFC 9110, section 5.6.7).
enum HTTPDate {
    /// The time; nil if the text has none of the forms. `now` decides the century of a two-digit year.
    static func read(_ text: String, now: Timestamp) -> Timestamp? {
        let parts = text.split(separator: " ").map(String.init)
        switch parts.count {
        // Sun, 06 Nov 1994 08:49:37 GMT
        case 6 where parts[5] == "GMT": return time(parts[3], parts[2], parts[1], parts[4])
        // Sunday, 06-Nov-94 08:49:37 GMT
        case 4 where parts[3] == "GMT":
            let date = parts[1].split(separator: "-").map(String.init)
            guard date.count == 3, date[2].count == 2 || date[2].count == 4, let short = Int(date[2]) else {
                return nil
            }
            let year = date[2].count == 4 ? short : Self.year(endingIn: short, now: now)
            return time(String(year), date[1], date[0], parts[2])
        // Sun Nov  6 08:49:37 1994
        case 5: return time(parts[4], parts[1], parts[2].count == 1 ? "0" + parts[2] : parts[2], parts[3])
        default: return nil
        }
    }

    private static func time(_ year: String, _ month: String, _ day: String, _ clock: String) -> Timestamp? {
        guard day.count == 2, year.count == 4, let month = months.firstIndex(of: month) else { return nil }
        return Timestamp(rfc3339: "\(year)-\(String(month + 101).dropFirst())-\(day)T\(clock)Z")
    }

    /// The matching year that is at most 50 years ahead, as the RFC requires.
    private static func year(endingIn digits: Int, now: Timestamp) -> Int {
        let current = Int(now.rfc3339.prefix(4)) ?? 2000
        let year = current - current % 100 + digits
        return year > current + 50 ? year - 100 : year
    }

    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
}
