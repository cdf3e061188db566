// Uses integer arithmetic: Foundation's format style loses a millisecond of some times and accepts February 30.

extension Timestamp {
    /// RFC 3339 in UTC with milliseconds, as in the API: `2026-11-23T14:05:09.120Z`.
    ///
    /// A time outside the years 1 to 9999 is written as the nearest time that the format can express.
    package var rfc3339: String {
        let (days, rest) = milliseconds.clamped(to: Self.writable).flooredDivision(by: 86_400_000)
        let (year, month, day) = Self.date(ofDay: days)
        let fields: [(number: Int64, width: Int, behind: UInt8)] = [
            (year, 4, UInt8(ascii: "-")), (month, 2, UInt8(ascii: "-")), (day, 2, UInt8(ascii: "T")),
            (rest / 3_600_000, 2, UInt8(ascii: ":")), (rest / 60_000 % 60, 2, UInt8(ascii: ":")),
            (rest / 1000 % 60, 2, UInt8(ascii: ".")), (rest % 1000, 3, UInt8(ascii: "Z")),
        ]
        // API responses contain many times, so this avoids intermediate strings.
        return String(unsafeUninitializedCapacity: 24) { buffer in
            var place = 0
            for field in fields {
                var number = field.number
                for digit in stride(from: place + field.width - 1, through: place, by: -1) {
                    buffer[digit] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number % 10)
                    number /= 10
                }
                buffer[place + field.width] = field.behind
                place += field.width + 1
            }
            return place
        }
    }

    /// Parses RFC 3339 with an optional fraction and `Z` or an offset; nil for anything else.
    ///
    /// Rejects times without a zone, which are ambiguous, and dates that do not exist. Fractions are cut to
    /// milliseconds.
    package init?(rfc3339 text: String) {
        // Regular expressions are too slow here: each poll's reply contains a date in its header and often several in
        // its body.
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, Self.marks.allSatisfy({ $0.allowed.contains(bytes[$0.place]) }),
            let year = Self.number(bytes[0..<4], in: 0...9999), let month = Self.number(bytes[5..<7], in: 1...12),
            let day = Self.number(bytes[8..<10], in: 1...31), let hour = Self.number(bytes[11..<13], in: 0...23),
            let minute = Self.number(bytes[14..<16], in: 0...59), let second = Self.number(bytes[17..<19], in: 0...59)
        else { return nil }
        var zone = bytes[19...]
        var fraction: Int64 = 0
        if zone.first == UInt8(ascii: ".") {
            let digits = zone.dropFirst().prefix { Self.digit($0) != nil }
            guard 1...9 ~= digits.count else { return nil }
            for place in 0..<3 {
                fraction = fraction * 10 + (digits.dropFirst(place).first.flatMap(Self.digit) ?? 0)
            }
            zone = zone.dropFirst(digits.count + 1)
        }
        guard let offset = Self.offset(Array(zone)), day <= Self.length(ofMonth: month, year: year) else { return nil }
        let seconds =
            Self.day(year: year, month: month, day: day) * 86_400 + hour * 3_600 + minute * 60 + second - offset
        guard Self.writable.contains(seconds * 1000) else { return nil }
        self.init(milliseconds: seconds * 1000 + fraction)
    }

    /// The years 1 to 9999.
    private static let writable = Int64(-62_135_596_800_000)...253_402_300_799_999

    /// The separators between the numbers.
    private static let marks: [(place: Int, allowed: [UInt8])] = [
        (4, Array("-".utf8)), (7, Array("-".utf8)), (10, Array("Tt".utf8)), (13, Array(":".utf8)),
        (16, Array(":".utf8)),
    ]

    private static func digit(_ byte: UInt8) -> Int64? {
        UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte ? Int64(byte - UInt8(ascii: "0")) : nil
    }

    private static func number(_ bytes: ArraySlice<UInt8>, in range: ClosedRange<Int64>) -> Int64? {
        var number: Int64 = 0
        for byte in bytes {
            guard let digit = digit(byte) else { return nil }
            number = number * 10 + digit
        }
        return range.contains(number) ? number : nil
    }

    /// Parses an offset such as `+01:30` into seconds; nil if it is invalid.
    private static func offset(_ zone: [UInt8]) -> Int64? {
        if zone == [UInt8(ascii: "Z")] || zone == [UInt8(ascii: "z")] { return 0 }
        guard zone.count == 6, zone[3] == UInt8(ascii: ":"), let hours = number(zone[1..<3], in: 0...23),
            let minutes = number(zone[4..<6], in: 0...59)
        else { return nil }
        switch zone[0] {
        case UInt8(ascii: "+"): return hours * 3_600 + minutes * 60
        case UInt8(ascii: "-"): return -(hours * 3_600 + minutes * 60)
        default: return nil
        }
    }

    // MARK: The calendar, in days since 1970-01-01

    private static func length(ofMonth month: Int64, year: Int64) -> Int64 {
        let next = month == 12 ? (year + 1, Int64(1)) : (year, month + 1)
        return day(year: next.0, month: next.1, day: 1) - day(year: year, month: month, day: 1)
    }

    /// Howard Hinnant, "chrono-compatible low-level date algorithms", `days_from_civil`: years begin in March, so
    /// that the leap day is a year's last.
    private static func day(year: Int64, month: Int64, day: Int64) -> Int64 {
        let (era, yearOfEra) = (month <= 2 ? year - 1 : year).flooredDivision(by: 400)
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// The inverse, `civil_from_days`.
    private static func date(ofDay days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = (days + 719_468).flooredDivision(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = (monthFromMarch + 2) % 12 + 1
        return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }
}

extension Int64 {
    /// The quotient rounded down, and the non-negative remainder.
    fileprivate func flooredDivision(by divisor: Int64) -> (Int64, Int64) {
        let (quotient, rest) = quotientAndRemainder(dividingBy: divisor)
        return rest < 0 ? (quotient - 1, rest + divisor) : (quotient, rest)
    }
}
