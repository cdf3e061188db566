import TaskModel
import TaskStore
import TaskTesting
import Testing

@Suite struct JoinRuleTests {
    private let now = ManualTimeSource.start
    private let rule = JoinRule(retryWindow: .seconds(600))

    /// An exchange whose fate was known that long ago.
    private func exchange(
        _ number: Int64, _ fate: Exchange.Fate, _ age: Duration, isOver: Bool = false, isElsewhere: Bool = false
    ) -> Exchange {
        var exchange = Exchange(
            number: number, task: TrackedTask.task(Int(number)).id, fate: fate, since: now - age, isOver: isOver)
        exchange.isOpenElsewhere = isElsewhere
        return exchange
    }

    /// Every exchange that differs in a way that the rule could look at.
    private var all: [Exchange] {
        var all: [Exchange] = []
        for fate in Exchange.Fate.allCases {
            for age in [-5, 0, 9, 10, 11, 59, 60, 61, 599, 600, 601, 100_000] {
                for isOver in [false, true] {
                    all.append(exchange(Int64(all.count + 1), fate, .seconds(age), isOver: isOver))
                }
                guard fate == .open else { continue }
                all.append(exchange(Int64(all.count + 1), fate, .seconds(age), isElsewhere: true))
            }
        }
        return all
    }

    /// What the rule says of one exchange alone, as the contract has it.
    private func expected(_ exchange: Exchange, isCountedRetry: Bool) -> JoinRule.Decision {
        let age = now - exchange.since
        switch exchange.fate {
        case .open where exchange.isOpenElsewhere: return .wait(until: now + .seconds(1))
        case .open, .received: return .new
        case .undelivered: return age <= .seconds(600) ? .claim(exchange) : .new
        case .unanswered: return exchange.isOver ? .new : .claim(exchange)
        case .delivered:
            guard isCountedRetry, age <= .seconds(60) else { return .new }
            if age >= .seconds(10) { return .claim(exchange) }
            return .wait(until: age >= .zero ? exchange.since + .seconds(10) : now + .seconds(10))
        }
    }

    @Test(arguments: [false, true])
    func `one exchange is claimed if and only if the contract allows it`(isCountedRetry: Bool) {
        for exchange in all {
            let decision = rule.decide(among: [exchange], isCountedRetry: isCountedRetry, at: now)
            #expect(decision == expected(exchange, isCountedRetry: isCountedRetry), "\(exchange)")
        }
    }

    @Test(arguments: [false, true])
    func `of two, a reply that did not arrive comes first, then an open one elsewhere, then the older one`(
        isCountedRetry: Bool
    ) {
        for first in all {
            for second in all where first.number < second.number {
                let may = [first, second].map { ($0, expected($0, isCountedRetry: isCountedRetry)) }
                    .filter { $0.1 != .new }
                let lost = may.first { [.undelivered, .unanswered].contains($0.0.fate) }
                let wanted = (lost ?? may.first { $0.0.isOpenElsewhere } ?? may.first)?.1 ?? .new
                for order in [[first, second], [second, first]] {
                    let decision = rule.decide(among: order, isCountedRetry: isCountedRetry, at: now)
                    #expect(decision == wanted, "\(first) \(second)")
                }
            }
        }
    }

    @Test func `an exchange that is open or received is never claimed`() {
        let open = all.filter { [.open, .received].contains($0.fate) && !$0.isOpenElsewhere }
        #expect(rule.decide(among: open, isCountedRetry: true, at: now) == .new)
    }

    @Test func `a request that has waited claims a delivered exchange, whatever the clock says`() {
        for age in [-100_000, 0, 9, 60] {
            let delivered = [exchange(1, .delivered, .seconds(age))]
            func decide(counted: Bool) -> JoinRule.Decision {
                rule.decide(among: delivered, isCountedRetry: counted, hasWaited: true, at: now)
            }
            #expect(decide(counted: true) == .claim(delivered[0]))
            #expect(decide(counted: false) == .new)
        }
    }

    @Test func `a request that has waited for another process gets a new task`() {
        let open = [exchange(1, .open, .seconds(70), isElsewhere: true)]
        for counted in [false, true] {
            #expect(rule.decide(among: open, isCountedRetry: counted, hasWaited: true, at: now) == .new)
        }
    }

    @Test func `the window is that of the settings`() {
        let lost = [exchange(1, .undelivered, .seconds(5))]
        func decide(_ window: Duration) -> JoinRule.Decision {
            JoinRule(retryWindow: window).decide(among: lost, isCountedRetry: false, at: now)
        }
        #expect(decide(.seconds(4)) == .new)
        #expect(decide(.seconds(5)) == .claim(lost[0]))
    }
}
