import TaskModel
import TaskTesting
import Testing

@testable import TaskEngine

@Suite struct ProviderRateLimiterTests {
    private typealias TrafficClass = ProviderRateLimiter.TrafficClass
    private let time = ManualTimeSource()
    private let sending = TrafficClass.submissions(TrackedTask.task(endpoint: "a/b").endpoint, .default)
    private let asking = TrafficClass.queries("a")

    /// Reserves for each class every millisecond and returns the counts.
    private func share(
        of limiter: ProviderRateLimiter, _ classes: [TrafficClass], perSecond rate: Double, over span: Int
    ) -> [Int] {
        var taken = classes.map { _ in 0 }
        for _ in 0..<span * 1_000 {
            time.advance(by: .milliseconds(1))
            for (place, traffic) in classes.enumerated()
            where limiter.reserve(traffic, of: "p", perSecond: rate) == nil { taken[place] += 1 }
        }
        return taken
    }

    @Test(arguments: [0.5, 2, 10, 200])
    func `the rate is never exceeded and nearly fully used`(rate: Double) {
        let taken = share(of: ProviderRateLimiter(time), [asking], perSecond: rate, over: 20)[0]
        #expect(Double(taken) <= rate * 20)
        #expect(Double(taken) >= rate * 20 * 0.85 - 1)
    }

    @Test func `submissions have priority, but queries get a share`() {
        let taken = share(of: ProviderRateLimiter(time), [sending, asking], perSecond: 10, over: 40)
        #expect(taken[0] >= taken[1] * 5 / 2)
        #expect(taken[1] * 5 >= taken[0])
    }

    @Test func `a single class gets the whole rate`() {
        let limiter = ProviderRateLimiter(time)
        _ = share(of: limiter, [sending, asking], perSecond: 10, over: 5)
        #expect(share(of: limiter, [asking], perSecond: 10, over: 10)[0] >= 90)
        #expect(share(of: limiter, [sending], perSecond: 10, over: 10)[0] >= 90)
    }

    @Test func `a new limiter has no budget`() {
        #expect(ProviderRateLimiter(time).reserve(asking, of: "p", perSecond: 10) != nil)
    }

    @Test func `a throttled class gets half the rate and recovers`() {
        let limiter = ProviderRateLimiter(time)
        let other = TrafficClass.queries("b")
        time.advance(by: .seconds(1))
        limiter.throttled(asking, perSecond: 10)
        #expect(6 > share(of: limiter, [asking], perSecond: 10, over: 1)[0])
        #expect(share(of: limiter, [other], perSecond: 10, over: 1)[0] > 8)
        for _ in 0..<120 {
            time.advance(by: .seconds(1))
            limiter.succeeded(asking)
        }
        #expect(share(of: limiter, [asking], perSecond: 10, over: 10)[0] >= 90)
    }

    @Test func `a clock change does not affect the rate`() {
        let limiter = ProviderRateLimiter(time)
        time.advance(by: .seconds(2))
        #expect(limiter.reserve(asking, of: "p", perSecond: 1) == nil)
        time.setWallClock(by: .seconds(-3_600))
        let slot = limiter.reserve(asking, of: "p", perSecond: 1)
        #expect(slot.map { $0 - time.now() <= .seconds(2) } == true)
        time.setWallClock(by: .seconds(7_200))
        #expect(limiter.reserve(asking, of: "p", perSecond: 1) != nil)
    }
}
