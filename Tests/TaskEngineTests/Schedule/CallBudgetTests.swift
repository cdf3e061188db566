import TaskModel
import TaskTesting
import Testing

@testable import TaskEngine

@Suite struct CallBudgetTests {
    private let time = ManualTimeSource()
    private let sending = CallBudget.Lane.submissions("a/b")
    private let asking = CallBudget.Lane.queries("a")

    /// Lets each of them ask at every millisecond, and counts what they get.
    private func share(
        of budget: CallBudget, _ lanes: [CallBudget.Lane], perSecond rate: Double, over span: Int
    ) -> [Int] {
        var taken = lanes.map { _ in 0 }
        for _ in 0..<span * 1_000 {
            time.advance(by: .milliseconds(1))
            for (place, lane) in lanes.enumerated()
            where budget.reserve(lane, of: "p", perSecond: rate) == nil { taken[place] += 1 }
        }
        return taken
    }

    @Test(arguments: [0.5, 2, 10, 200])
    func `nobody gets more than the rate, and nearly all of it is used`(rate: Double) {
        let taken = share(of: CallBudget(time), [asking], perSecond: rate, over: 20)[0]
        #expect(Double(taken) <= rate * 20)
        #expect(Double(taken) >= rate * 20 * 0.85 - 1)
    }

    @Test func `submissions go first, but each fourth call is a query`() {
        let taken = share(of: CallBudget(time), [sending, asking], perSecond: 10, over: 40)
        #expect(taken[0] >= taken[1] * 5 / 2)
        #expect(taken[1] * 5 >= taken[0])
    }

    @Test func `who waits alone has all of it`() {
        let budget = CallBudget(time)
        _ = share(of: budget, [sending, asking], perSecond: 10, over: 5)
        #expect(share(of: budget, [asking], perSecond: 10, over: 10)[0] >= 90)
        #expect(share(of: budget, [sending], perSecond: 10, over: 10)[0] >= 90)
    }

    @Test func `a start has nothing to spend`() {
        #expect(CallBudget(time).reserve(asking, of: "p", perSecond: 10) != nil)
    }

    @Test func `one that was told "too many" goes at half the rate, and recovers`() {
        let budget = CallBudget(time)
        let other = CallBudget.Lane.queries("b")
        time.advance(by: .seconds(1))
        budget.throttled(asking, perSecond: 10)
        #expect(6 > share(of: budget, [asking], perSecond: 10, over: 1)[0])
        #expect(share(of: budget, [other], perSecond: 10, over: 1)[0] > 8)
        for _ in 0..<120 {
            time.advance(by: .seconds(1))
            budget.succeeded(asking)
        }
        #expect(share(of: budget, [asking], perSecond: 10, over: 10)[0] >= 90)
    }

    @Test func `a wall clock that is set changes nothing`() {
        let budget = CallBudget(time)
        time.advance(by: .seconds(2))
        #expect(budget.reserve(asking, of: "p", perSecond: 1) == nil)
        time.setWallClock(by: .seconds(-3_600))
        let slot = budget.reserve(asking, of: "p", perSecond: 1)
        #expect(slot.map { $0 - time.now() <= .seconds(2) } == true)
        time.setWallClock(by: .seconds(7_200))
        #expect(budget.reserve(asking, of: "p", perSecond: 1) != nil)
    }
}
