import Randomness
import TaskModel
import TaskTesting
import Testing

@Suite struct TimestampTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", Int64(0)),
        ("2026-11-23T14:05:09.120Z", 1_795_442_709_120),
        ("2026-11-23T14:05:09Z", 1_795_442_709_000),
        ("2026-11-23t14:05:09z", 1_795_442_709_000),
        ("2026-11-23T14:05:09.1Z", 1_795_442_709_100),
        ("2026-11-23T14:05:09.123456789Z", 1_795_442_709_123),
        ("2026-11-23T15:05:09+01:00", 1_795_442_709_000),
        ("2026-11-23T06:35:09.5-07:30", 1_795_442_709_500),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("2000-02-29T00:00:00Z", 951_782_400_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ("1969-12-31T23:59:59.999Z", -1),
    ])
    func `RFC 3339 is read to the millisecond`(text: String, milliseconds: Int64) {
        #expect(Timestamp(rfc3339: text)?.milliseconds == milliseconds)
    }

    @Test(arguments: [
        "", "now", "2026-11-23", "2026-11-23T14:05:09", "2026-11-23 14:05:09Z", "2026-11-23T14:05Z",
        "2026-11-23T14:05:09Zgarbage", " 2026-11-23T14:05:09Z", "2026-11-23T14:05:09.Z",
        "2026-11-23T14:05:09.1234567890Z",
        "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z",
        "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+1:00", "2026-01-01T00:00:00+01", "26-01-01T00:00:00Z", "12026-01-01T00:00:00Z",
        "-2026-01-01T00:00:00Z", "２０２６-01-01T00:00:00Z", "1795442709",
    ])
    func `text that is not RFC 3339 is rejected`(text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test(arguments: ["2026-02-29", "2026-02-30", "2026-04-31", "2100-02-29", "1900-02-29", "2026-06-31", "0000-01-01"])
    func `a date that does not exist is rejected`(day: String) {
        #expect(Timestamp(rfc3339: "\(day)T12:00:00Z") == nil)
    }

    @Test(arguments: [UInt64(1), 2, 3])
    func `a written time is read back to the millisecond`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<500 {
            let point = Timestamp(
                milliseconds: Int64.random(in: -62_135_596_800_000...253_402_300_799_999, using: &random))
            #expect(Timestamp(rfc3339: point.rfc3339) == point, "seed \(seed): \(point.milliseconds)")
        }
        for millisecond in Int64(0)..<1000 {
            let point = Timestamp(milliseconds: 1_795_442_709_000 + millisecond)
            let digits = String(1000 + millisecond).dropFirst()
            #expect(point.rfc3339 == "2026-11-23T14:05:09.\(digits)Z")
        }
    }

    @Test(arguments: [Int64.min, .min + 1, -62_135_596_800_001, 253_402_300_800_000, .max - 1, .max])
    func `a time outside the years 1 to 9999 is written without a crash`(milliseconds: Int64) {
        #expect(!Timestamp(milliseconds: milliseconds).rfc3339.isEmpty)
    }

    @Test func `seconds outside the years 1 to 9999 are rejected`() {
        #expect(Timestamp(unixSeconds: 253_402_300_800) == nil)
        #expect(Timestamp(unixSeconds: -62_135_596_801) == nil)
        #expect(Timestamp(unixSeconds: .nan) == nil)
        #expect(Timestamp(unixSeconds: .infinity) == nil)
        #expect(Timestamp(unixSeconds: 1.0006)?.milliseconds == 1001)
    }

    @Test func `addition is clamped to the range`() {
        let longest = Duration(secondsComponent: .max, attosecondsComponent: 999_999_999_999_999_999)
        let shortest = Duration(secondsComponent: .min, attosecondsComponent: -999_999_999_999_999_999)
        #expect(Timestamp(milliseconds: .max) + .seconds(1) == Timestamp(milliseconds: .max))
        #expect(Timestamp(milliseconds: .min) - .seconds(1) == Timestamp(milliseconds: .min))
        #expect(Timestamp(milliseconds: 1) + longest == Timestamp(milliseconds: .max))
        #expect(Timestamp(milliseconds: -1) + shortest == Timestamp(milliseconds: .min))
        #expect(Timestamp(milliseconds: .max) - Timestamp(milliseconds: .min) == .milliseconds(Int64.max))
        #expect(Timestamp(milliseconds: .min) - Timestamp(milliseconds: .max) == .milliseconds(Int64.min))
    }

    @Test func `a duration converts to whole milliseconds without a crash`() {
        #expect(Duration.milliseconds(1_999).wholeMilliseconds == 1_999)
        #expect(Duration.microseconds(-1_999).wholeMilliseconds == -1)
        // The last whole second whose milliseconds fit, with a fraction that does not fit.
        let edge = Duration(secondsComponent: Int64.max / 1000, attosecondsComponent: 999_000_000_000_000_000)
        #expect(edge.wholeMilliseconds == .max)
        #expect((.zero - edge - .seconds(1)).wholeMilliseconds == .min)
        #expect(Duration.seconds(rounding: .infinity).wholeMilliseconds > 0)
    }
}
