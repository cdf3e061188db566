import GRDB
import SQLiteRaw
import TaskModel
import TaskStore

/// Reads and writes budgets, and what they count and hold.
extension SQLiteTransaction {
    func budgets() throws -> [BudgetRow] {
        try BudgetRow.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT name, definition, metered_from_ms, set_limit_micros, set_until_ms FROM budget ORDER BY name
                    """), binding: [])
    }

    func put(_ budgets: [BudgetRow]) throws {
        for row in budgets {
            try db.cachedStatement(
                sql: """
                    INSERT INTO budget (name, definition, metered_from_ms, set_limit_micros, set_until_ms)
                    VALUES (?, ?, ?, ?, ?)
                    ON CONFLICT (name) DO UPDATE SET
                      definition = excluded.definition, metered_from_ms = excluded.metered_from_ms,
                      set_limit_micros = excluded.set_limit_micros, set_until_ms = excluded.set_until_ms
                    """
            ).execute(
                binding: .text(row.budget.name), .text(row.budget.storedText), ColumnValue(row.meteredFrom),
                ColumnValue(row.setLimit), ColumnValue(row.setUntil))
        }
    }

    func dropBudgets(_ names: [String]) throws {
        for name in names {
            try db.cachedStatement(sql: "DELETE FROM budget WHERE name = ?").execute(binding: .text(name))
            try db.cachedStatement(sql: "DELETE FROM budget_meter WHERE budget = ?").execute(binding: .text(name))
        }
    }

    func meters(of budget: String, from start: Timestamp) throws -> [BudgetMeter] {
        try BudgetMeter.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT \(BudgetMeter.columns) FROM budget_meter
                    WHERE budget = ? AND period_start_ms = ? ORDER BY share
                    """), binding: [.text(budget), ColumnValue(start)])
    }

    func meter(of budget: String, share: String, from start: Timestamp) throws -> BudgetMeter? {
        try BudgetMeter.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT \(BudgetMeter.columns) FROM budget_meter
                    WHERE budget = ? AND share = ? AND period_start_ms = ?
                    """), binding: .text(budget), .text(share), ColumnValue(start))
    }

    func put(_ meter: BudgetMeter) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO budget_meter (budget, share, period_start_ms, reserved_micros, spent_micros, told)
                VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (budget, share, period_start_ms) DO UPDATE SET
                  reserved_micros = excluded.reserved_micros, spent_micros = excluded.spent_micros, told = excluded.told
                """
        ).execute(
            binding: .text(meter.budget), .text(meter.share), ColumnValue(meter.periodStart), .integer(meter.reserved),
            .integer(meter.spent), .integer((meter.isWarned ? 1 : 0) | (meter.isExceeded ? 2 : 0)))
    }

    func dropMeters(of budget: String, share: String, before start: Timestamp) throws {
        try db.cachedStatement(
            sql: "DELETE FROM budget_meter WHERE budget = ? AND share = ? AND period_start_ms < ?"
        ).execute(binding: .text(budget), .text(share), ColumnValue(start))
    }

    // MARK: Held tasks

    func hold(of task: TaskID) throws -> BudgetHold? {
        try HeldRow.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT task.id, budget, share, estimate_micros, held_at_ms, next_due_at_ms
                    FROM task JOIN budget_hold USING (task_key) WHERE task.id = ?
                    """), binding: .text(task.text))?.hold
    }

    func heldShares() throws -> [BudgetShare] {
        try ShareRow.fetchAll(
            db.cachedStatement(sql: "SELECT DISTINCT budget, share FROM budget_hold"), binding: []
        ).map(\.share)
    }

    func held(by share: BudgetShare, upTo micros: Int64, limit: Int) throws -> [(hold: BudgetHold, dueAt: Timestamp)] {
        try HeldRow.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT task.id, budget, share, estimate_micros, held_at_ms, next_due_at_ms
                    FROM budget_hold CROSS JOIN task USING (task_key)
                    WHERE budget = ? AND share = ? AND estimate_micros <= ? ORDER BY estimate_micros LIMIT ?
                    """),
            binding: [.text(share.budget), .text(share.share), .integer(max(micros, -1)), ColumnValue(limit)]
        ).map { ($0.hold, $0.dueAt) }
    }

    func put(_ hold: BudgetHold, of key: Int64) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO budget_hold (task_key, budget, share, estimate_micros, held_at_ms) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (task_key) DO UPDATE SET
                  budget = excluded.budget, share = excluded.share, estimate_micros = excluded.estimate_micros
                """
        ).execute(
            binding: .integer(key), .text(hold.budget), .text(hold.share), .integer(hold.estimate ?? -1),
            ColumnValue(hold.heldAt))
    }

    func dropHold(of key: Int64) throws {
        try db.cachedStatement(sql: "DELETE FROM budget_hold WHERE task_key = ?").execute(binding: .integer(key))
    }

    func approval(of key: Int64) throws -> BudgetApproval? {
        try BudgetApproval.fetchOne(
            db.cachedStatement(sql: "SELECT approved_at_ms, attempt FROM budget_approval WHERE task_key = ?"),
            binding: .integer(key))
    }

    func put(_ approval: BudgetApproval, of key: Int64) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO budget_approval (task_key, approved_at_ms, attempt) VALUES (?, ?, ?)
                ON CONFLICT (task_key) DO UPDATE SET
                  approved_at_ms = excluded.approved_at_ms, attempt = excluded.attempt
                """
        ).execute(binding: .integer(key), ColumnValue(approval.approvedAt), ColumnValue(approval.attempt))
    }
}

extension BudgetRow: ColumnDecodable {
    init(_ next: inout ColumnReader) throws {
        let (name, definition): (String, String) = (next(), next())
        self.init(
            budget: try Budget(name: name, storedText: definition), meteredFrom: Timestamp(milliseconds: next()),
            setLimit: next.optional(), setUntil: next.time())
    }
}

extension BudgetMeter: ColumnDecodable {
    fileprivate static let columns = "budget, share, period_start_ms, reserved_micros, spent_micros, told"

    init(_ next: inout ColumnReader) throws {
        self.init(
            budget: next(), share: next(), periodStart: Timestamp(milliseconds: next()), reserved: next(),
            spent: next())
        let told: Int = next()
        (isWarned, isExceeded) = (told & 1 != 0, told & 2 != 0)
    }
}

extension BudgetApproval: ColumnDecodable {
    init(_ next: inout ColumnReader) throws {
        self.init(approvedAt: Timestamp(milliseconds: next()), attempt: next.optional())
    }
}

private struct HeldRow: ColumnDecodable {
    let hold: BudgetHold
    let dueAt: Timestamp

    init(_ next: inout ColumnReader) throws {
        guard let task = next.taskID() else { throw TaskStoreError.damaged("a held task cannot be read") }
        let (budget, share): (String, String) = (next(), next())
        let estimate: Int64 = next()
        hold = BudgetHold(
            task: task, budget: budget, share: share, estimate: estimate < 0 ? nil : estimate,
            heldAt: Timestamp(milliseconds: next()))
        dueAt = next.time() ?? Timestamp(milliseconds: .min)
    }
}

private struct ShareRow: ColumnDecodable {
    let share: BudgetShare

    init(_ next: inout ColumnReader) throws { share = BudgetShare(budget: next(), share: next()) }
}
