package import TaskModel
import VerbatimJSON

/// Keeps the budgets of the settings, and the decisions of people about them.
extension TaskStore {
    /// Stores the budgets of the settings in place of those before. What a changed budget counts is summed anew from the
    /// ledger; tasks that a removed one holds are due.
    package func keepBudgets(_ budgets: [Budget], at now: Timestamp) async throws(TaskStoreError) {
        let stored = try await read("budgets") { try $0.budgets() }
        guard stored.map(\.budget) != budgets.sorted(by: { $0.name < $1.name }) else { return }
        try await write("keepBudgets") { transaction in
            let known = Dictionary(try transaction.budgets().map { ($0.budget.name, $0) }) { first, _ in first }
            let gone = Set(known.keys).subtracting(budgets.map(\.name)).sorted()
            for share in try transaction.heldShares() where gone.contains(share.budget) {
                let held = try transaction.held(by: share, upTo: .max, limit: .max)
                try transaction.setDue(held.map(\.hold.task), at: now)
            }
            try transaction.dropBudgets(gone)
            for budget in budgets {
                if var row = known[budget.name], row.budget.countsLike(budget) {
                    row.budget = budget
                    try transaction.put([row])
                } else {
                    try transaction.dropBudgets([budget.name])
                    let period = budget.period(at: now)
                    for meter in try transaction.meters(of: budget, in: BudgetPeriod(start: period.start, end: nil)) {
                        try transaction.put(meter)
                    }
                    try transaction.put([BudgetRow(budget: budget, meteredFrom: period.start)])
                }
            }
        }
    }

    /// The budgets with what is used of each share in the current period, by name.
    package func budgets(at now: Timestamp) async throws(TaskStoreError) -> [(row: BudgetRow, meters: [BudgetMeter])] {
        try await read("budgetMeters", .snapshot) { rows in
            try rows.budgets().map { row in
                let period = row.budget.period(at: now)
                let stored = try rows.meters(of: row.budget.name, from: period.start)
                return (row, period.start < row.meteredFrom ? try rows.meters(of: row.budget, in: period) : stored)
            }
        }
    }

    /// Sets the limit of a budget until its period ends; nil gives it the limit of the settings back. Nil if there is no
    /// such budget.
    package func setLimit(
        of name: String, to limit: Int64?, at now: Timestamp
    ) async throws(TaskStoreError) -> BudgetRow? {
        try await write("setLimit") { transaction in
            guard var row = try transaction.budgets().first(where: { $0.budget.name == name }) else { return nil }
            let period = row.budget.period(at: now)
            (row.setLimit, row.setUntil) = (limit, limit == nil ? nil : period.end)
            try transaction.put([row])
            // People are told about the new limit as well.
            for var meter in try transaction.meters(of: name, from: period.start)
            where meter.isWarned || meter.isExceeded {
                (meter.isWarned, meter.isExceeded) = (false, false)
                try transaction.put(meter)
            }
            return row
        }
    }

    /// Lets a queued task exceed its budgets, once; nil if it does not exist.
    package func approve(_ id: TaskID, at now: Timestamp) async throws(TaskStoreError) -> TaskChange? {
        try await commit(.write("approve")) { changes in
            guard let row = try changes.transaction.tasks([id]).first else { return nil }
            guard row.task.state == .queued else {
                return .refused(row.task.state.hasEnded ? .alreadyEnded : .notQueued, row.task)
            }
            let known = try changes.transaction.approval(of: row.key)
            if let known, known.attempt == nil { return .unchanged(row.task) }
            try changes.transaction.put(BudgetApproval(approvedAt: now), of: row.key)
            var task = row.task
            if try changes.transaction.hold(of: id) != nil { task.nextDueAt = now }
            changes.change(row, to: task)
            changes.append(
                TaskLogEntry(at: now, kind: "budget_approved", from: task.state, to: task.state), of: row.key,
                about: task)
            return .unchanged(task)
        }
    }

    /// The budget that holds the task, as it is now; nil if none does.
    package func shortage(of id: TaskID, at now: Timestamp) async throws(TaskStoreError) -> BudgetShortage? {
        try await read("shortage", .snapshot) { rows in
            guard let hold = try rows.hold(of: id),
                let row = try rows.budgets().first(where: { $0.budget.name == hold.budget })
            else { return nil }
            return BudgetShortage(
                budget: hold.budget, share: hold.share, unit: row.budget.unit, limit: row.limit(at: now),
                used: try rows.used(of: row, share: hold.share, at: now).used, estimate: hold.estimate,
                until: row.budget.period(at: now).end)
        }
    }

    /// The most held tasks of a share that one call reads.
    private static let mostFreed = 200

    /// Makes held tasks due for which their budget has room now, the cheapest first. Returns when the next period of a
    /// budget begins that holds tasks.
    ///
    /// This is only a hint: the commit that starts an attempt decides again.
    package func freeHeldTasks(at now: Timestamp) async throws(TaskStoreError) -> Timestamp? {
        let (free, next) = try await read("heldTasks", .snapshot) { rows in
            var free: [TaskID] = []
            var next: Timestamp?
            let shares = try rows.heldShares()
            guard !shares.isEmpty else { return (free, next) }
            let budgets = Dictionary(try rows.budgets().map { ($0.budget.name, $0) }) { first, _ in first }
            for share in shares {
                let row = budgets[share.budget]
                if let end = row?.budget.period(at: now).end { next = min(next ?? end, end) }
                let used = try row.map { try rows.used(of: $0, share: share.share, at: now).used }
                var room = row.map { $0.limit(at: now) - (used ?? 0) } ?? .max
                let held = try rows.held(by: share, upTo: room, limit: Self.mostFreed)
                for held in held where held.dueAt <= now { room -= held.hold.estimate ?? 0 }
                for held in held where held.dueAt > now {
                    if let cost = held.hold.estimate, cost <= room {
                        room -= cost
                    } else if held.hold.estimate != nil || row?.budget.unpriced == .hold {
                        continue
                    }
                    free.append(held.hold.task)
                }
            }
            return (free, next)
        }
        try await postpone(free, until: now)
        return next
    }
}
