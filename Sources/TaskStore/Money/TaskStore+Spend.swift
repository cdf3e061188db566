package import TaskModel

/// Shows the ledger.
extension TaskStore {
    /// The sums of the ledger over attempts that started in that time, perhaps for each day.
    package func spending(
        from start: Timestamp, until end: Timestamp?, byDay: Bool = false
    ) async throws(TaskStoreError) -> [LedgerSum] {
        try await read("spending", .page) { try $0.ledgerSums(from: start, until: end, byDay: byDay) }
    }

    /// The lines of the ledger about a task, by attempt, oldest first. They stay after the task was removed.
    package func ledger(of task: TaskID) async throws(TaskStoreError) -> [LedgerEntry] {
        try await read("ledger") { try $0.ledger(of: task) }
    }

    /// What the ledger counts for each attempt of these tasks, in one consistent state.
    package func costs(of tasks: [TaskID]) async throws(TaskStoreError) -> [TaskID: [AttemptCost]] {
        try await read("costs", .page) { rows in
            var costs: [TaskID: [AttemptCost]] = [:]
            for task in tasks { costs[task] = AttemptBalance.of(try rows.ledger(of: task)).map(\.cost) }
            return costs
        }
    }
}

/// What the ledger counts for one attempt.
package struct AttemptCost: Sendable, Hashable {
    package let attempt: Int
    /// Nil if no price told what it costs.
    package let unit: MoneyUnit?
    /// Spent or reserved, in micros.
    package let micros: Int64
    /// Whether the outcome is known; else the amount is reserved.
    package let isSettled: Bool
    /// Whether the attempt is known to cost nothing.
    package let isReleased: Bool
    package let terms: SettlementTerms?
}

extension AttemptBalance {
    fileprivate var cost: AttemptCost {
        AttemptCost(
            attempt: attempt, unit: unpriced > 0 ? nil : reservation.unit ?? reservation.terms?.unit,
            micros: reserved + spent, isSettled: isSettled, isReleased: isReleased, terms: reservation.terms)
    }
}
