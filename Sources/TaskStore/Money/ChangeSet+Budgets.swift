import TaskModel
import VerbatimJSON

/// Decides whether a budget has room, and counts what it counts.
extension ChangeSet {
    /// The first budget that has no room for an attempt; nil if all have.
    func shortage(
        of estimate: Amount?, for spender: Spender, in budgets: [BudgetRow], at now: Timestamp,
        where isConcerned: (Budget) -> Bool = { _ in true }
    ) throws -> BudgetShortage? {
        for row in budgets where isConcerned(row.budget) {
            let budget = row.budget
            guard let share = budget.share(of: spender) else { continue }
            // A price in another unit says nothing about this budget.
            let cost = estimate.flatMap { $0.unit == budget.unit ? $0.micros : nil }
            guard cost != nil || budget.unpriced == .hold else { continue }
            let (limit, used) = (row.limit(at: now), try transaction.used(of: row, share: share, at: now).used)
            if let cost, used + cost <= limit { continue }
            return BudgetShortage(
                budget: budget.name, share: share, unit: budget.unit, limit: limit, used: used, estimate: cost,
                until: budget.period(at: now).end)
        }
        return nil
    }

    /// The budget that refuses a new task; nil if none does. Which account will send it is not known yet.
    func refusal(of charge: Charge?, for task: TrackedTask) throws -> BudgetShortage? {
        guard let charge, task.state == .queued else { return nil }
        let budgets = try transaction.budgets()
        guard !budgets.isEmpty else { return nil }
        let spender = Spender(
            provider: charge.provider, account: .unknown, endpoint: task.endpoint, labels: task.labels)
        return try shortage(of: charge.estimate, for: spender, in: budgets, at: task.createdAt) {
            $0.onExceed == .refuse
        }
    }

    /// Keeps the task in the queue until a budget has room for it.
    mutating func hold(_ row: TaskRow, because shortage: BudgetShortage, at now: Timestamp) throws -> TaskChange {
        var task = row.task
        // ``TaskStore/freeHeldTasks(at:)`` makes it due before that if there is room.
        task.nextDueAt = shortage.until ?? now + .seconds(86_400)
        let isNews = try transaction.hold(of: task.id) == nil
        try transaction.put(
            BudgetHold(
                task: task.id, budget: shortage.budget, share: shortage.share, estimate: shortage.estimate, heldAt: now),
            of: row.key)
        change(row, to: task)
        if isNews {
            append(.budget("budget_held", shortage, of: task, at: now), of: row.key, about: task)
            try tell(shortage, of: task, key: row.key, at: now)
        }
        return .held(task)
    }

    /// Logs once per period that the limit is reached.
    private mutating func tell(_ shortage: BudgetShortage, of task: TrackedTask, key: Int64, at now: Timestamp) throws {
        guard shortage.estimate != nil,
            let row = try transaction.budgets().first(where: { $0.budget.name == shortage.budget })
        else { return }
        var meter = try transaction.used(of: row, share: shortage.share, at: now)
        guard meter.periodStart >= row.meteredFrom, !meter.isExceeded else { return }
        meter.isExceeded = true
        try transaction.put(meter)
        append(.budget("budget_exceeded", shortage, of: task, at: now), of: key, about: task)
    }

    /// Adds a line of the ledger to the sums of the budgets that count it, and logs once per period that a limit is near.
    mutating func meter(_ entry: LedgerEntry, of key: Int64, about task: TrackedTask) throws {
        guard entry.reserved != 0 || entry.spent != 0, let unit = entry.unit else { return }
        for row in try transaction.budgets() where row.budget.unit == unit {
            let budget = row.budget
            guard let share = budget.share(of: entry.spender) else { continue }
            let start = budget.period(at: entry.startedAt).start
            guard start >= row.meteredFrom else { continue }
            let stored = try transaction.meter(of: budget.name, share: share, from: start)
            var meter = stored ?? BudgetMeter(budget: budget.name, share: share, periodStart: start)
            if stored == nil { try dropEarlierMeters(of: row, share: share, before: start) }
            meter.reserved += entry.reserved
            meter.spent += entry.spent
            let limit = row.limit(at: entry.at)
            if let part = budget.warnAt, !meter.isWarned, entry.reserved + entry.spent > 0,
                start == budget.period(at: entry.at).start,
                Int128(meter.used) * 1_000 >= Int128(limit) * Int128(part)
            {
                meter.isWarned = true
                let state = BudgetShortage(
                    budget: budget.name, share: share, unit: unit, limit: limit, used: meter.used, estimate: nil,
                    until: budget.period(at: entry.at).end)
                append(.budget("budget_warning", state, of: task, at: entry.at), of: key, about: task)
            }
            try transaction.put(meter)
        }
    }

    /// Drops the sums of earlier periods. If the clock is set back, they are read from the ledger.
    private func dropEarlierMeters(of row: BudgetRow, share: String, before start: Timestamp) throws {
        guard row.budget.period != .total else { return }
        try transaction.dropMeters(of: row.budget.name, share: share, before: start)
        guard row.meteredFrom < start else { return }
        var row = row
        row.meteredFrom = start
        try transaction.put([row])
    }

    // MARK: Approvals

    /// Whether a person lets the task exceed its budgets. The consent serves one attempt that may cost something.
    func useApproval(of row: TaskRow, for attempt: Int) throws -> Bool {
        guard var approval = try transaction.approval(of: row.key), approval.attempt == nil else { return false }
        approval.attempt = attempt
        try transaction.put(approval, of: row.key)
        return true
    }

    /// Lets the next attempt use the consent again, because this one cost nothing.
    func returnApproval(of row: TaskRow, from attempt: Int) throws {
        guard var approval = try transaction.approval(of: row.key), approval.attempt == attempt else { return }
        approval.attempt = nil
        try transaction.put(approval, of: row.key)
    }
}

extension StoreSnapshot {
    /// What is reserved and spent of a share of the budget in the current period.
    func used(of row: BudgetRow, share: String, at now: Timestamp) throws -> BudgetMeter {
        let period = row.budget.period(at: now)
        if period.start >= row.meteredFrom {
            return try meter(of: row.budget.name, share: share, from: period.start)
                ?? BudgetMeter(budget: row.budget.name, share: share, periodStart: period.start)
        }
        // The clock was set back.
        return try meters(of: row.budget, in: period).first { $0.share == share }
            ?? BudgetMeter(budget: row.budget.name, share: share, periodStart: period.start)
    }

    /// The sums of the ledger for each share of the budget in a period.
    func meters(of budget: Budget, in period: BudgetPeriod) throws -> [BudgetMeter] {
        var meters: [String: BudgetMeter] = [:]
        for sum in try ledgerSums(from: period.start, until: period.end, byDay: false) where sum.unit == budget.unit {
            guard let share = budget.share(of: sum.spender) else { continue }
            meters[share, default: BudgetMeter(budget: budget.name, share: share, periodStart: period.start)]
                .add(sum)
        }
        return meters.values.sorted { $0.share < $1.share }
    }
}

extension BudgetMeter {
    fileprivate mutating func add(_ sum: LedgerSum) {
        reserved += sum.reserved
        spent += sum.spent
    }
}

extension TaskLogEntry {
    /// A line about a budget in the log of the task that concerns it.
    fileprivate static func budget(
        _ kind: String, _ state: BudgetShortage, of task: TrackedTask, at now: Timestamp
    ) -> TaskLogEntry {
        var detail = JSONObject([
            ("budget", .string(state.budget)), ("unit", .string(state.unit.text)),
            ("limit", .string(Micros.text(state.limit))), ("used", .string(Micros.text(state.used))),
        ])
        if !state.share.isEmpty { detail["share"] = .string(state.share) }
        if let missing = state.missing { detail["missing"] = .string(Micros.text(missing)) }
        return TaskLogEntry(at: now, kind: kind, from: task.state, to: task.state, detail: detail)
    }
}
