import SQLiteDriver
import Synchronization
import TaskModel
import TaskStore

/// The prices and budgets of one history, and the people who change them. One history of ten has some.
///
/// It draws from its own random generator, so that it does not change other histories.
final class SimulatedMoney: Sendable {
    /// The unit of all prices.
    static let unit = MoneyUnit("USD")

    /// Whether this history has prices and budgets.
    let isOn: Bool
    private let random: SharedRandom
    private let state: Mutex<(budgets: [Budget], raisedAt: Int64?)>

    init(seed: UInt64, isOn: Bool) {
        self.isOn = isOn
        random = SharedRandom(seed: seed ^ 0x1f83_d9ab_fb41_bd6b)
        state = Mutex((isOn ? Self.budgets(random) : [], nil))
    }

    /// The budgets of the settings.
    var budgets: [Budget] { state.withLock { $0.budgets } }
    /// When every limit was raised, in steady time; nil before that.
    var raisedAt: Int64? { state.withLock { $0.raisedAt } }

    /// What a person does in this step.
    enum Decision { case reload, action(Action) }

    /// What a person does about money in this step, if anything.
    func decision(queued: [String]) -> Decision? {
        guard isOn, random.happens(60) else { return nil }
        switch random.integer(in: 0...3) {
        case 0:
            state.withLock { $0.budgets = Self.budgets(random) }
            return .reload
        case 1: return random.pick(queued).map { .action(.approve($0)) }
        case 2: return random.pick(budgets).map { .action(.setLimit($0.name, nil)) }
        default:
            let limit = Int64(random.integer(in: 0...8)) * 1_000_000
            return random.pick(budgets).map { .action(.setLimit($0.name, limit)) }
        }
    }

    /// Gives every budget room for everything, also for what has no price.
    func raise(at steady: Int64) {
        state.withLock { state in
            for index in state.budgets.indices {
                state.budgets[index].limit = Micros.most
                state.budgets[index].unpriced = .allow
            }
            state.raisedAt = steady
        }
    }

    /// Small limits, so that most histories reach one.
    private static func budgets(_ random: SharedRandom) -> [Budget] {
        guard let unit else { return [] }
        func budget(_ name: String, _ period: Budget.Period, upTo most: Int) -> Budget {
            var budget = Budget(
                name: name, limit: Int64(random.integer(in: 1...most)) * 1_000_000, unit: unit, period: period,
                timeZone: random.pick(["UTC", "Europe/Berlin", "Asia/Kolkata"]) ?? "UTC")
            budget.warnAt = random.happens(300) ? nil : 800
            if random.happens(200) { budget.unpriced = .hold }
            return budget
        }
        var budgets: [Budget] = []
        if random.happens(600) { budgets.append(budget("all", .total, upTo: 9)) }
        if random.happens(500) {
            var daily = budget("daily", .day, upTo: 4)
            daily.scope.endpoint = "image/*"
            budgets.append(daily)
        }
        if random.happens(500) {
            var each = budget("each", .month, upTo: 3)
            each.scope.label = "intent"
            budgets.append(each)
        }
        if budgets.isEmpty || random.happens(300) {
            var strict = budget("strict", .total, upTo: 7)
            strict.onExceed = .refuse
            budgets.append(strict)
        }
        return budgets
    }
}
