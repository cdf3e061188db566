import ArgumentParser
import Testing

@testable import pollux

@Suite struct TimeArgumentTests {
    @Test(arguments: [
        ("0", 0), ("90", 90), ("90s", 90), ("2m", 120), ("1h30m", 5400), ("1d", 86_400), ("1w", 604_800),
        ("1d2h", 93_600),
    ])
    func `a duration is a number of seconds or a list of units`(text: String, seconds: Int) throws {
        #expect(try DurationArgument.parse(text) == .seconds(seconds))
    }

    @Test(arguments: ["", "-5", "m", "2m3", "1.5h", "2 h", "1y", "99999999999", "9999999999999999999s", "٣s"])
    func `an invalid duration is refused`(text: String) {
        #expect(throws: ValidationError.self) { try DurationArgument.parse(text) }
    }

    @Test func `a plus sign counts from now`() throws {
        // The daemon adds it to its own time, so a repeated command sends the same text.
        #expect(try TimeArgument.future("+2h").text(now: noon) == "+2h")
        #expect(try TimeArgument.past("2h").text(now: noon) == noon.ago(7200))
    }

    @Test(arguments: ["2026-11-23T14:00:00Z", "2026-11-23T14:00:00.5Z", "2026-11-23T14:00:00+02:00"])
    func `an RFC 3339 time is passed unchanged`(text: String) throws {
        #expect(try TimeArgument.future(text).text(now: noon) == text)
        #expect(try TimeArgument.past(text).text(now: noon) == text)
    }

    @Test func `a date without a time means midnight UTC`() throws {
        #expect(try TimeArgument.past("2026-11-23").text(now: noon) == "2026-11-23T00:00:00Z")
    }

    @Test(arguments: ["2h", "tomorrow", "+", "++2h", "+-2h", "+x", "14:00", "2026-11-23T14:00:00", ""])
    func `an invalid future time is refused`(text: String) {
        #expect(throws: ValidationError.self) { try TimeArgument.future(text) }
    }
}
