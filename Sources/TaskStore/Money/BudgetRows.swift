package import TaskModel

/// A budget as it is stored.
package struct BudgetRow: Sendable, Hashable {
    package var budget: Budget
    /// The sums of periods that begin at this time or later are stored; those of earlier ones are in the ledger.
    package var meteredFrom: Timestamp
    /// The limit that a person has set, in micros.
    package var setLimit: Int64?
    /// Until when it replaces the limit of the settings; nil for good.
    package var setUntil: Timestamp?

    package init(budget: Budget, meteredFrom: Timestamp, setLimit: Int64? = nil, setUntil: Timestamp? = nil) {
        self.budget = budget
        self.meteredFrom = meteredFrom
        self.setLimit = setLimit
        self.setUntil = setUntil
    }

    /// The limit at that time, in micros.
    package func limit(at now: Timestamp) -> Int64 {
        guard let setLimit, setUntil.map({ now < $0 }) ?? true else { return budget.limit }
        return setLimit
    }
}

/// What is reserved and spent of a share of a budget in one period.
package struct BudgetMeter: Sendable, Hashable {
    package let budget: String
    package let share: String
    package let periodStart: Timestamp
    package var reserved: Int64
    package var spent: Int64
    /// Whether people were told that the limit is near, and that it is reached.
    package var isWarned = false
    package var isExceeded = false

    package init(budget: String, share: String, periodStart: Timestamp, reserved: Int64 = 0, spent: Int64 = 0) {
        self.budget = budget
        self.share = share
        self.periodStart = periodStart
        self.reserved = reserved
        self.spent = spent
    }

    package var used: Int64 { reserved + spent }
}

/// A queued task for which a budget has no room.
package struct BudgetHold: Sendable, Hashable {
    package let task: TaskID
    package let budget: String
    package let share: String
    /// Nil if no price tells what the task costs.
    package let estimate: Int64?
    package let heldAt: Timestamp

    package init(task: TaskID, budget: String, share: String, estimate: Int64?, heldAt: Timestamp) {
        self.task = task
        self.budget = budget
        self.share = share
        self.estimate = estimate
        self.heldAt = heldAt
    }
}

/// A person's consent that a task exceeds its budgets, once.
package struct BudgetApproval: Sendable, Hashable {
    package let approvedAt: Timestamp
    /// The attempt that used it.
    package var attempt: Int?

    package init(approvedAt: Timestamp, attempt: Int? = nil) {
        self.approvedAt = approvedAt
        self.attempt = attempt
    }
}

/// A part of a budget that holds tasks.
package struct BudgetShare: Sendable, Hashable {
    package let budget: String
    package let share: String

    package init(budget: String, share: String) {
        self.budget = budget
        self.share = share
    }
}
