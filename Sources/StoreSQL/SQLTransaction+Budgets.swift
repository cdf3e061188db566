package import TaskModel
package import TaskStore

/// Reads and writes budgets, and what they count and hold.
extension SQLTransaction {
    package func budgets() throws -> [BudgetRow] {
        try BudgetRow.fetchAll(
            connection,
            """
            SELECT name, definition, metered_from_ms, set_limit_micros, set_until_ms FROM budget ORDER BY name
            """)
    }

    package func put(_ budgets: [BudgetRow]) throws {
        for row in budgets {
            try connection.execute(
                """
                INSERT INTO budget (name, definition, metered_from_ms, set_limit_micros, set_until_ms)
                VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (name) DO UPDATE SET
                  definition = excluded.definition, metered_from_ms = excluded.metered_from_ms,
                  set_limit_micros = excluded.set_limit_micros, set_until_ms = excluded.set_until_ms
                """,
                [
                    .text(row.budget.name), .text(row.budget.storedText), ColumnValue(row.meteredFrom),
                    ColumnValue(row.setLimit), ColumnValue(row.setUntil),
                ])
        }
    }

    package func dropBudgets(_ names: [String]) throws {
        for name in names {
            try connection.execute("DELETE FROM budget WHERE name = ?", [.text(name)])
            try connection.execute("DELETE FROM budget_meter WHERE budget = ?", [.text(name)])
        }
    }

    package func meters(of budget: String, from start: Timestamp) throws -> [BudgetMeter] {
        try BudgetMeter.fetchAll(
            connection,
            """
            SELECT \(BudgetMeter.columns) FROM budget_meter
            WHERE budget = ? AND period_start_ms = ? ORDER BY share
            """, [.text(budget), ColumnValue(start)])
    }

    package func meter(of budget: String, share: String, from start: Timestamp) throws -> BudgetMeter? {
        try BudgetMeter.fetchOne(
            connection,
            """
            SELECT \(BudgetMeter.columns) FROM budget_meter
            WHERE budget = ? AND share = ? AND period_start_ms = ?
            """, [.text(budget), .text(share), ColumnValue(start)])
    }

    package func put(_ meter: BudgetMeter) throws {
        try connection.execute(
            """
            INSERT INTO budget_meter (budget, share, period_start_ms, reserved_micros, spent_micros, told)
            VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT (budget, share, period_start_ms) DO UPDATE SET
              reserved_micros = excluded.reserved_micros, spent_micros = excluded.spent_micros, told = excluded.told
            """,
            [
                .text(meter.budget), .text(meter.share), ColumnValue(meter.periodStart), .integer(meter.reserved),
                .integer(meter.spent), .integer((meter.isWarned ? 1 : 0) | (meter.isExceeded ? 2 : 0)),
            ])
    }

    package func dropMeters(of budget: String, share: String, before start: Timestamp) throws {
        try connection.execute(
            "DELETE FROM budget_meter WHERE budget = ? AND share = ? AND period_start_ms < ?",
            [.text(budget), .text(share), ColumnValue(start)])
    }

    // MARK: Held tasks

    package func hold(of task: TaskID) throws -> BudgetHold? {
        try HeldRow.fetchOne(
            connection,
            """
            SELECT task.id, budget, share, estimate_micros, held_at_ms, next_due_at_ms
            FROM task JOIN budget_hold USING (task_key) WHERE task.id = ?
            """, [.text(task.text)])?.hold
    }

    package func heldShares() throws -> [BudgetShare] {
        try ShareRow.fetchAll(connection, "SELECT DISTINCT budget, share FROM budget_hold").map(\.share)
    }

    package func held(by share: BudgetShare, upTo micros: Int64, limit: Int) throws -> [(
        hold: BudgetHold, dueAt: Timestamp
    )] {
        try HeldRow.fetchAll(
            connection,
            """
            SELECT task.id, budget, share, estimate_micros, held_at_ms, next_due_at_ms
            FROM budget_hold CROSS JOIN task
            WHERE task.task_key = budget_hold.task_key AND budget = ? AND share = ? AND estimate_micros <= ?
            ORDER BY estimate_micros LIMIT ?
            """, [.text(share.budget), .text(share.share), .integer(max(micros, -1)), ColumnValue(limit)]
        ).map { ($0.hold, $0.dueAt) }
    }

    package func put(_ hold: BudgetHold, of key: Int64) throws {
        try connection.execute(
            """
            INSERT INTO budget_hold (task_key, budget, share, estimate_micros, held_at_ms) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (task_key) DO UPDATE SET
              budget = excluded.budget, share = excluded.share, estimate_micros = excluded.estimate_micros
            """,
            [
                .integer(key), .text(hold.budget), .text(hold.share), .integer(hold.estimate ?? -1),
                ColumnValue(hold.heldAt),
            ])
    }

    package func dropHold(of key: Int64) throws {
        try connection.execute("DELETE FROM budget_hold WHERE task_key = ?", [.integer(key)])
    }

    package func approval(of key: Int64) throws -> BudgetApproval? {
        try BudgetApproval.fetchOne(
            connection, "SELECT approved_at_ms, attempt FROM budget_approval WHERE task_key = ?", [.integer(key)])
    }

    package func put(_ approval: BudgetApproval, of key: Int64) throws {
        try connection.execute(
            """
            INSERT INTO budget_approval (task_key, approved_at_ms, attempt) VALUES (?, ?, ?)
            ON CONFLICT (task_key) DO UPDATE SET
              approved_at_ms = excluded.approved_at_ms, attempt = excluded.attempt
            """, [.integer(key), ColumnValue(approval.approvedAt), ColumnValue(approval.attempt)])
    }
}

extension BudgetRow: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws {
        let (name, definition): (String, String) = (next(), next())
        self.init(
            budget: try Budget(name: name, storedText: definition), meteredFrom: Timestamp(milliseconds: next()),
            setLimit: next.optional(), setUntil: next.time())
    }
}

extension BudgetMeter: ColumnDecodable {
    fileprivate static let columns = "budget, share, period_start_ms, reserved_micros, spent_micros, told"

    package init(_ next: inout ColumnReader) throws {
        self.init(
            budget: next(), share: next(), periodStart: Timestamp(milliseconds: next()), reserved: next(),
            spent: next())
        let told: Int = next()
        (isWarned, isExceeded) = (told & 1 != 0, told & 2 != 0)
    }
}

extension BudgetApproval: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws {
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
