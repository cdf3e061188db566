import PollingPolicy
import Randomness
import TaskModel
import Testing

@Suite struct UnrecognisedGapTests {
    private func gap(inARow: Int, maxGap: Duration = .seconds(60), seed: UInt64 = 7) -> Duration {
        var random = SeededRandom(seed: seed)
        let now = Timestamp(milliseconds: 1_000_000_000)
        let history = PollHistory(submittedAt: now - .seconds(160), unrecognisedInARow: inARow)
        let next = PollingPolicy(maxGap: maxGap).nextPoll(
            after: history, model: DurationModelTests.steady(30), now: now, using: &random)
        return next - now
    }

    @Test func `the first unrecognised record changes nothing, and each further one doubles the gap`() {
        let usual = gap(inARow: 0)
        #expect(gap(inARow: 1) == usual)
        for further in 1...4 {
            // Times are whole milliseconds.
            let difference = gap(inARow: 1 + further) - usual * (1 << further)
            #expect(abs(difference / .milliseconds(1)) <= Double(1 << further))
        }
    }

    @Test func `the gap grows to at most ten minutes, or to the configured gap if that is longer`() {
        for inARow in [12, 20, 1_000, Int.max] {
            #expect(gap(inARow: inARow) == .seconds(600))
            #expect(gap(inARow: inARow, maxGap: .seconds(3600)) == .seconds(3600))
        }
    }
}
