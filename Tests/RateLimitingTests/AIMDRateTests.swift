import RateLimiting
import TaskModel
import TaskTesting
import Testing

@Suite struct AIMDRateTests {
    private let start = ManualTimeSource.start

    @Test func `a refusal halves the rate, at most once a second`() {
        var rate = AIMDRate(ceiling: 8, at: start)
        rate.throttled(at: start)
        rate.throttled(at: start + .milliseconds(400))
        #expect(rate.rate == 4)
        rate.throttled(at: start + .seconds(2))
        #expect(rate.rate == 2)
    }

    @Test func `the rate recovers with successes in about a minute, up to the ceiling`() {
        var rate = AIMDRate(ceiling: 8, at: start)
        rate.throttled(at: start)
        for second in 1...20 { rate.succeeded(at: start + .seconds(second)) }
        #expect(rate.rate > 4 && rate.rate < 8)
        for second in 21...90 { rate.succeeded(at: start + .seconds(second)) }
        #expect(rate.rate == 8)
    }

    @Test func `time without successes does not raise the rate`() {
        var rate = AIMDRate(ceiling: 8, at: start)
        rate.throttled(at: start)
        rate.succeeded(at: start + .seconds(3_600))
        #expect(rate.rate < 4.2)
    }

    @Test func `the rate never falls below the floor`() {
        var rate = AIMDRate(ceiling: 8, at: start)
        for second in 0..<100 { rate.throttled(at: start + .seconds(2 * second)) }
        #expect(rate.rate == rate.floor && rate.floor > 0)
    }
}
