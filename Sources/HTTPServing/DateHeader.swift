import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The text of the `Date` header (RFC 9110, section 5.6.7), created once for each second in which it is used.
final class DateHeader: Sendable {
    private let now: @Sendable () -> Int
    private let latest = Mutex((second: Int.min, text: ""))

    /// `now` returns the seconds since 1970 in UTC.
    init(now: @escaping @Sendable () -> Int) { self.now = now }

    var text: String {
        let second = now()
        return latest.withLock { latest in
            if latest.second != second { latest = (second, Self.text(at: second)) }
            return latest.text
        }
    }

    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    private static func text(at second: Int) -> String {
        var point = time_t(second)
        var parts = tm()
        gmtime_r(&point, &parts)
        let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map(twoDigits).joined(separator: ":")
        let (day, month) = (days[Int(parts.tm_wday)], months[Int(parts.tm_mon)])
        return "\(day), \(twoDigits(parts.tm_mday)) \(month) \(1900 + parts.tm_year) \(clock) GMT"
    }

    private static func twoDigits(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
