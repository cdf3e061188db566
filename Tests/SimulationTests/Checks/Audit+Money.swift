import TaskModel
import TaskStore

/// Compares the ledger with the attempts, and with what budgets count and allow.
extension Audit {
    /// What was known about money at the last check.
    struct MoneyMemory {
        /// The last line of the ledger that was checked.
        var lastEntry: Int64 = 0
        /// The number of starts in the log, by task.
        var starts: [String: Int] = [:]
        /// The limits at the last check, by budget.
        var limits: [String: Int64] = [:]
    }

    /// One attempt in the ledger.
    private struct Balance {
        var reserves = 0
        var isReleased = false
        var isSettled = false
        var isOpen: Bool { !isReleased && !isSettled }
    }

    func noteStarts(_ events: [DiskView.EventLine]) {
        for event in events where event.kind == "submission_started" { money.starts[event.task, default: 0] += 1 }
    }

    func checkMoney(rows: [String: DiskView.TaskLine]) throws {
        let stored = try view.money()
        var balances: [String: [Int: Balance]] = [:]
        for line in stored.ledger {
            var balance = balances[line.task, default: [:]][line.attempt] ?? Balance()
            if line.kind == "reserve" { balance.reserves += 1 }
            if line.kind == "settle" { balance.isSettled = true }
            balance.isReleased = line.kind == "release"
            balances[line.task, default: [:]][line.attempt] = balance
        }
        try checkAttempts(balances, rows: rows)
        try checkMeters(stored)
        try checkGate(stored)
        try checkHolds(stored)
        money.limits = try limits(of: stored.budgets)
    }

    /// Checks that each attempt has one reservation, which stays while the outcome is unknown.
    private func checkAttempts(_ balances: [String: [Int: Balance]], rows: [String: DiskView.TaskLine]) throws {
        for (task, starts) in money.starts.sorted(by: { $0.key < $1.key }) {
            let own = balances[task] ?? [:]
            let reserves = own.values.map(\.reserves)
            guard reserves.count == starts, reserves.allSatisfy({ $0 == 1 }) else {
                throw Violation(.attemptIsReserved, "\(task) has \(starts) attempts and the reservations \(reserves)")
            }
            guard let row = rows[task], let latest = own.keys.max().flatMap({ own[$0] }) else { continue }
            if ["submitting", "uncertain"].contains(row.state), row.attempts == own.keys.max(), !latest.isOpen {
                throw Violation(.reservationStays, "\(task) is \(row.state), and its attempt is not reserved")
            }
            if row.state == "succeeded", !own.values.contains(where: \.isSettled) {
                throw Violation(.outcomeIsSettled, "\(task) has succeeded, and nothing is settled")
            }
            // A proof of absence can be wrong if a record is listed much later.
            let replay = replays[task]
            let isProven = replay.map { $0.resubmissions == $0.personalResubmissions } ?? true
            guard isProven, row.resolution != "refusal_confirmed" else { continue }
            let billed = world.truth.records.count { record in
                let isFree = record.ending == .failed && ProviderWords.freeFailures.contains(record.service)
                return record.sender?.text == task && !isFree
            }
            let kept = own.values.count { !$0.isReleased }
            guard billed <= kept else {
                throw Violation(.reservationStays, "\(task) was billed \(billed) times, and \(kept) attempts count")
            }
        }
    }

    /// Checks that what the budgets count is the sum of the ledger.
    func checkMeters() throws { try checkMeters(view.money()) }

    private func checkMeters(_ stored: DiskView.Money) throws {
        for row in stored.budgets {
            let budget = try row.budget
            var sums: [BudgetShare: [Int64: (Int64, Int64)]] = [:]
            for line in stored.ledger where line.unit == budget.unit.text {
                let start = budget.period(at: Timestamp(milliseconds: line.startedAt)).start.milliseconds
                guard start >= row.meteredFrom, let share = try budget.share(of: line.spender) else { continue }
                let key = BudgetShare(budget: row.name, share: share)
                let sum = sums[key, default: [:]][start] ?? (0, 0)
                sums[key, default: [:]][start] = (sum.0 + line.reserved, sum.1 + line.spent)
            }
            for meter in stored.meters where meter.budget == row.name && meter.start >= row.meteredFrom {
                let key = BudgetShare(budget: row.name, share: meter.share)
                let sum = sums[key]?[meter.start] ?? (0, 0)
                guard sum == (meter.reserved, meter.spent) else {
                    throw Violation(
                        .ledgerIsGate,
                        "\(row.name) \(meter.share) counts \(meter.reserved) + \(meter.spent), the ledger has \(sum)")
                }
                sums[key]?[meter.start] = nil
            }
            for (key, periods) in sums where periods.values.contains(where: { $0 != (0, 0) }) {
                throw Violation(.ledgerIsGate, "\(row.name) \(key.share) counts nothing, the ledger has \(periods)")
            }
        }
    }

    /// Checks that each new reservation fitted into every budget, or was approved.
    private func checkGate(_ stored: DiskView.Money) throws {
        let limits = try limits(of: stored.budgets)
        for line in stored.ledger where line.entry > money.lastEntry && line.kind == "reserve" {
            for row in stored.budgets where line.unit == (try row.budget.unit.text) {
                let budget = try row.budget
                guard let share = try budget.share(of: line.spender) else { continue }
                let start = budget.period(at: Timestamp(milliseconds: line.startedAt)).start
                let used = try stored.ledger.filter { other in
                    try other.entry <= line.entry && other.unit == line.unit
                        && budget.share(of: other.spender) == share
                        && budget.period(at: Timestamp(milliseconds: other.startedAt)).start == start
                }.reduce(0) { $0 + $1.reserved + $1.spent }
                // The limit may have changed in the same step.
                let limit = max(limits[row.name] ?? 0, money.limits[row.name] ?? 0)
                let isApproved = stored.approvals.contains { $0.task == line.task && $0.attempt == line.attempt }
                guard used <= limit || isApproved else {
                    throw Violation(
                        .budgetIsKept, "\(line.task) makes \(row.name) \(share) \(used), and the limit is \(limit)")
                }
            }
        }
        money.lastEntry = stored.ledger.last?.entry ?? money.lastEntry
    }

    /// Checks that no held task waits while its budget has room. A limit that a person has set may be lower than the
    /// raised ones.
    private func checkHolds(_ stored: DiskView.Money) throws {
        guard let raisedAt = world.money.raisedAt, let healedAt, world.clock.steady - max(raisedAt, healedAt) > 300_000
        else { return }
        let now = world.clock.now().milliseconds
        let raised = Set(stored.budgets.filter { $0.setLimit == nil }.map(\.name))
        if let hold = stored.holds.first(where: { $0.dueAt > now && raised.contains($0.budget) }) {
            throw Violation(.heldGoesOn, "\(hold.task) is held, and \(hold.budget) has room")
        }
    }

    private func limits(of budgets: [DiskView.BudgetLine]) throws -> [String: Int64] {
        let now = world.clock.now().milliseconds
        var limits: [String: Int64] = [:]
        for row in budgets {
            let isSet = row.setLimit != nil && row.setUntil.map { now < $0 } ?? true
            limits[row.name] = isSet ? row.setLimit : try row.budget.limit
        }
        return limits
    }
}
