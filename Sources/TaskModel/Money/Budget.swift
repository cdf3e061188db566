package import FoundationEssentials

/// A limit of what may be spent. The store decides about it in the commit that starts an attempt.
package struct Budget: Sendable, Hashable {
    /// How long the limit applies to what was spent.
    package enum Period: String, Sendable, CaseIterable {
        case day, month
        /// It never begins again.
        case total
    }

    /// What happens to a task for which there is no room.
    package enum Excess: String, Sendable, CaseIterable {
        /// It waits in the queue.
        case hold
        /// It is not accepted.
        case refuse
    }

    /// What happens to a task without a price in the budget's unit.
    package enum Unpriced: String, Sendable, CaseIterable {
        /// It is sent, and counts for nothing.
        case allow
        /// It waits for a person.
        case hold
    }

    /// Which tasks count. Nil stands for all.
    package struct Scope: Sendable, Hashable {
        package var provider: ProviderName?
        package var account: AccountName?
        /// An endpoint, or all of a service: `suno/*`.
        package var endpoint: String?
        package var label: String?
        /// The value of ``label``; nil if each value has the limit for itself.
        package var labelValue: String?

        package init() {}

        /// Whether every task counts.
        package var isAll: Bool { self == Scope() }
    }

    package let name: String
    /// In micros of the unit.
    package var limit: Int64
    package let unit: MoneyUnit
    package var period: Period
    package var timeZone: String
    package var scope = Scope()
    /// The part of the limit at which people are warned, in thousandths; nil for no warning.
    package var warnAt: Int? = 800
    package var onExceed = Excess.hold
    package var unpriced = Unpriced.allow

    package init(name: String, limit: Int64, unit: MoneyUnit, period: Period, timeZone: String = "UTC") {
        self.name = name
        self.limit = limit
        self.unit = unit
        self.period = period
        self.timeZone = timeZone
    }

    /// Whether both count the same tasks in the same periods, so that what is counted stays when the limit changes.
    package func countsLike(_ other: Budget) -> Bool {
        unit == other.unit && period == other.period && timeZone == other.timeZone && scope == other.scope
    }

    /// The share of the limit that a task counts for: its label's value if each value has the limit for itself, else an
    /// empty text. Nil if the task does not count.
    package func share(of task: Spender) -> String? {
        if let provider = scope.provider, provider != task.provider { return nil }
        if let account = scope.account, account != task.account { return nil }
        if let endpoint = scope.endpoint, endpoint != task.endpoint.text,
            endpoint != task.endpoint.service.text + "/*"
        {
            return nil
        }
        guard let label = scope.label else { return "" }
        guard let value = task.labels[label] else { return nil }
        guard let only = scope.labelValue else { return value }
        return only == value ? "" : nil
    }

    /// The period that contains that time. Its end is nil for a total.
    package func period(at time: Timestamp) -> BudgetPeriod {
        guard period != .total else { return BudgetPeriod(start: Timestamp(milliseconds: 0), end: nil) }
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = Self.timeZone(named: timeZone) ?? .gmt
        let date = Date(timeIntervalSince1970: time.unixSeconds)
        let interval = calendar.dateInterval(of: period == .day ? .day : .month, for: date)
        guard let interval else { return BudgetPeriod(start: time, end: time + .seconds(86_400)) }
        return BudgetPeriod(start: Timestamp(interval.start), end: Timestamp(interval.end))
    }

    /// The time zone of that name; nil if the system does not know it.
    package static func timeZone(named name: String) -> TimeZone? {
        name == "UTC" ? .gmt : TimeZone(identifier: name)
    }
}

/// The time for which the limit of a budget applies.
package struct BudgetPeriod: Sendable, Hashable {
    package let start: Timestamp
    /// Nil if it never ends.
    package let end: Timestamp?

    package init(start: Timestamp, end: Timestamp?) {
        self.start = start
        self.end = end
    }
}

/// Who spends: the facts about an attempt that budgets and the overview of spending tell attempts apart by.
package struct Spender: Sendable, Hashable {
    package let provider: ProviderName
    package let account: AccountName
    package let endpoint: EndpointName
    package let labels: [String: String]

    package init(provider: ProviderName, account: AccountName, endpoint: EndpointName, labels: [String: String]) {
        self.provider = provider
        self.account = account
        self.endpoint = endpoint
        self.labels = labels
    }
}

/// The budget that has no room for a task.
package struct BudgetShortage: Sendable, Hashable {
    package let budget: String
    /// The label's value whose share is used up; empty if the budget is not divided.
    package let share: String
    package let unit: MoneyUnit
    package let limit: Int64
    /// How much is spent and reserved, in micros.
    package let used: Int64
    /// What the task is expected to cost; nil if it has no price in the unit.
    package let estimate: Int64?
    /// When the limit applies anew; nil if it does not.
    package let until: Timestamp?

    package init(
        budget: String, share: String, unit: MoneyUnit, limit: Int64, used: Int64, estimate: Int64?, until: Timestamp?
    ) {
        self.budget = budget
        self.share = share
        self.unit = unit
        self.limit = limit
        self.used = used
        self.estimate = estimate
        self.until = until
    }

    /// How much is missing, in micros; nil if the task has no price.
    package var missing: Int64? { estimate.map { max($0 - (limit - used), 0) } }

    /// The budget with its share, for people.
    package var title: String { share.isEmpty ? "\"\(budget)\"" : "\"\(budget)\" of \"\(share)\"" }

    /// What is wrong, as a sentence.
    package var message: String {
        let state = "Budget \(title) has a limit of \(Amount(micros: limit, unit: unit))"
        guard let estimate, let missing else {
            return "\(state), and this task has no price in \(unit), so nobody knows whether it fits."
        }
        return """
            \(state), of which \(Amount(micros: used, unit: unit)) is spent or reserved. This task needs \
            \(Amount(micros: estimate, unit: unit)): \(Amount(micros: missing, unit: unit)) too much.
            """
    }
}
