import TaskModel
import TaskTesting
import Testing

@Suite struct AttemptTests {
    private let start = ManualTimeSource.start

    private func attempt(jumping seconds: Int...) -> Attempt {
        var attempt = Attempt(number: 1, startedAt: start, absentReadings: 2, firstAbsentAt: start)
        for jump in seconds { attempt.clockJumped(by: .seconds(jump)) }
        return attempt
    }

    @Test func `jumps are summed, and their range is kept`() {
        let attempt = attempt(jumping: 30, -50, 25, 5)
        #expect(attempt.clockDrift == .seconds(10))
        #expect(attempt.clock.lowest == .seconds(-20))
        #expect(attempt.clock.highest == .seconds(30))
    }

    @Test(arguments: [
        ([3], true), ([-3], true), ([7, -7, 7, -7, 7, -7], true), ([30, 29], true), ([59, -118, 59], true),
        ([30, 31], false), ([-61], false), ([3_600], false), ([3_600, -3_600], false),
    ])
    func `a measurement continues through small jumps, by the current clock`(jumps: [Int], goesOn: Bool) {
        var attempt = attempt()
        for jump in jumps { attempt.clockJumped(by: .seconds(jump)) }
        #expect(attempt.absentReadings == (goesOn ? 2 : 0))
        #expect(attempt.firstAbsentAt == (goesOn ? start + attempt.clockDrift : nil))
    }

    @Test func `a restarted measurement continues through small jumps`() {
        var attempt = attempt(jumping: 3_605)
        attempt.absentReadings = 2
        attempt.firstAbsentAt = start
        for jump in [3, -3, 7, 40] { attempt.clockJumped(by: .seconds(jump)) }
        #expect(attempt.absentReadings == 2 && attempt.firstAbsentAt == start + .seconds(47))
        attempt.clockJumped(by: .seconds(30))
        #expect(attempt.absentReadings == 0 && attempt.firstAbsentAt == nil)
    }

    /// Any clock since the start may be correct. The request took 90 s by the steady clock.
    @Test(arguments: [
        [], [5], [-5], [86_400], [-86_400], [86_400, -86_400], [-86_400, 86_400], [-30, 7, 3_600, -4_000],
    ])
    func `the period contains the request by any of the clocks`(jumps: [Int]) {
        let took = Duration.seconds(90)
        let offsets = jumps.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
        // The end was measured by one of these clocks.
        for end in offsets {
            var attempt = Attempt(number: 1, startedAt: start)
            for jump in jumps { attempt.clockJumped(by: .seconds(jump)) }
            let period = attempt.period(until: start + took + .seconds(end))
            for right in offsets {
                #expect(period.contains(start + .seconds(right)), "\(jumps): \(end), \(right)")
                #expect(period.contains(start + took + .seconds(right)), "\(jumps): \(end), \(right)")
            }
        }
    }
}
