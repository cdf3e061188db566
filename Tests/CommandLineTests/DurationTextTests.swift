import Foundation
import Testing

@testable import pollux

@Suite struct DurationTextTests {
    @Test(
        arguments: [
            (0, "0s"), (45.9, "45s"), (72, "1m 12s"), (61, "1m 01s"), (7500, "2h 05m"), (273_600, "3d 4h"), (-5, "0s"),
            (.infinity, "11574074d 1h"),
        ] as [(TimeInterval, String)])
    func `a duration shows at most two units`(seconds: TimeInterval, text: String) {
        #expect(DurationText.span(seconds) == text)
    }

    @Test func `an age shows one unit`() {
        #expect(DurationText.age(of: noon.ago(0.5), now: noon) == "now")
        #expect(DurationText.age(of: noon.ago(130), now: noon) == "2m ago")
        #expect(DurationText.age(of: noon.ahead(30), now: noon) == "in 30s")
        #expect(DurationText.age(of: nil, now: noon) == "")
        #expect(DurationText.age(of: "yesterday", now: noon) == "")
    }
}
