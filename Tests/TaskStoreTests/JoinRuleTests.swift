import TaskModel
import TaskStore
import TaskTesting
import Testing

@Suite struct JoinRuleTests {
    private let now = ManualTimeSource.start
    private let rule = JoinRule(retryWindow: .seconds(600))

    /// An exchange whose fate was known that long ago.
    private func exchange(
        _ number: Int64, _ fate: Exchange.Fate, _ age: Duration, isOver: Bool = false
    ) -> Exchange {
        Exchange(number: number, task: TrackedTask.task(Int(number)).id, fate: fate, since: now - age, isOver: isOver)
    }

    /// Every exchange that differs in a way that the rule could look at.
    private var all: [Exchange] {
        var all: [Exchange] = []
        for fate in Exchange.Fate.allCases {
            for age in [-5, 0, 59, 60, 61, 599, 600, 601, 100_000] {
                for isOver in [false, true] {
                    all.append(exchange(Int64(all.count + 1), fate, .seconds(age), isOver: isOver))
                }
            }
        }
        return all
    }

    /// Whether one exchange alone may be claimed, as the contract says it.
    private func mayClaim(_ exchange: Exchange, isCountedRetry: Bool) -> Bool {
        let age = now - exchange.since
        if exchange.fate == .undelivered { return age <= .seconds(600) }
        if exchange.fate == .unanswered { return !exchange.isOver }
        return exchange.fate == .delivered && isCountedRetry && age <= .seconds(60)
    }

    @Test(arguments: [false, true])
    func `one exchange is claimed if and only if the contract allows it`(isCountedRetry: Bool) {
        for exchange in all {
            let claimed = rule.claim(among: [exchange], isCountedRetry: isCountedRetry, at: now)
            #expect((claimed != nil) == mayClaim(exchange, isCountedRetry: isCountedRetry), "\(exchange)")
        }
    }

    @Test(arguments: [false, true])
    func `of two, a reply that did not arrive comes first, then the older one`(isCountedRetry: Bool) {
        for first in all {
            for second in all where first.number < second.number {
                let may = [first, second].filter { mayClaim($0, isCountedRetry: isCountedRetry) }
                let wanted = may.first { $0.fate != .delivered } ?? may.first
                for order in [[first, second], [second, first]] {
                    let claimed = rule.claim(among: order, isCountedRetry: isCountedRetry, at: now)
                    #expect(claimed == wanted, "\(first) \(second)")
                }
            }
        }
    }

    @Test func `an open exchange is never claimed`() {
        let open = all.filter { $0.fate == .open }
        #expect(rule.claim(among: open, isCountedRetry: true, at: now) == nil)
    }

    @Test func `the window is that of the settings`() {
        let lost = [exchange(1, .undelivered, .seconds(5))]
        #expect(JoinRule(retryWindow: .seconds(4)).claim(among: lost, isCountedRetry: false, at: now) == nil)
        #expect(JoinRule(retryWindow: .seconds(5)).claim(among: lost, isCountedRetry: false, at: now) == lost[0])
    }
}
