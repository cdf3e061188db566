import GRDB
import TaskStore
import TaskTesting
import Testing

@testable import SQLiteDriver

/// Checks the query plan of every statement of a store: none may scan a table, sort without an index, or find the next row by a
/// comparison of several columns, which reads all rows that equal the first ones.
///
/// The conformance suite uses it, so the tests of a new verb check its plans.
enum PlanCheck {
    /// The allowed exceptions: a part of the statement, the step of its plan, and the reason.
    private static let allowed: [(part: String, step: String, why: String)] = [
        ("SELECT * FROM sqlite_master LIMIT 1", "SCAN sqlite_master", "GRDB runs it when it opens a reader"),
        ("FROM gate", "SCAN gate", "read once per start; a row per endpoint, service or provider in trouble"),
        ("FROM lease", "SCAN lease", "a row per account"),
        ("FROM budget ORDER BY name", "SCAN budget", "a row per budget of the settings"),
        (
            "DISTINCT budget, share FROM budget_hold", "SCAN budget_hold",
            "the tasks that budgets hold, by the index alone"
        ),
        (
            "FROM ledger WHERE started_at_ms >=", "USE TEMP B-TREE FOR GROUP BY",
            "the sums of a period: for a changed budget, after the clock was set back, and for `spend`"
        ),
        ("FROM destination", "SCAN destination", "a row per destination of the settings"),
        ("COUNT(*) FROM delivery", "SCAN delivery", "counts all failures, for the status"),
        ("FROM gateway_token", "SCAN gateway_token", "a row per token"),
        ("FROM meta", "SCAN meta", "a few facts about the database"),
        ("FROM part_removal", "SCAN part_removal", "files to be removed, which are few and leave the table with that"),
        ("FROM part_content", "SCAN part_content", "the files in a restored backup, one at a time until none is left"),
        ("ORDER BY sequence DESC LIMIT 1", "SCAN event", "the last line of the log"),
        ("FROM sqlite_sequence", "SCAN sqlite_sequence", "one row"),
        (
            "FROM task_count WHERE count > 0", "SCAN task_count",
            "the result is the table: a row per endpoint and state"
        ),
        (
            "ORDER BY task_key DESC LIMIT", "SCAN task",
            "a page of an unfiltered list reads the newest rows until it is full"
        ),
        (
            "INDEXED BY artefact_expiry", "SCAN artefact",
            "files to be fetched, in the order of their expiry; read only if one is due"
        ),
        (
            "INDEXED BY artefact_removal", "SCAN artefact",
            "the files to be removed, which are few and leave the index with that"
        ),
        ("SELECT COUNT(*) FROM artefact", "SCAN artefact", "the files that wait, counted for `status`"),
        (
            "count(*) FROM (SELECT 1 FROM task", "SCAN task",
            "a count reads tasks until it has enough; that of a state or an endpoint comes from task_count"
        ),
        ("count(*) FROM (SELECT 1 FROM task", "SCAN found", "the rows of the subquery, counted up to the limit"),
        ("LIMIT ?) AS ready", "SCAN ready", "the rows of the subquery, at most 200"),
        ("FROM budget_hold)", "SCAN budget_hold", "the tasks that budgets hold"),
        ("RECURSIVE found (text)", "SCAN found", "the row before: each step seeks the next text of a label"),
        ("json_each(?)", "SCAN json_each", "the values of a list's filter"),
        ("json_each(?)", "SCAN wanted", "the labels of a list's filter"),
        ("ORDER BY task_key DESC LIMIT", "USE TEMP B-TREE FOR ORDER BY", "a list filtered by several values at once"),
        (
            "UPDATE artefact INDEXED BY artefact_next", "SCAN artefact",
            "once per jump of the clock: the files that wait"
        ),
        (
            "UPDATE given_up_attempt SET", "SCAN given_up_attempt",
            "once per jump of the clock: a row per attempt that was given up"
        ),
        (
            "state = 'queued' AND next_due_at_ms <=", "USE TEMP B-TREE FOR ORDER BY",
            "used only if fewer than 200 tasks may start now"
        ),
        (
            "INDEXED BY event_task", "USE TEMP B-TREE FOR ORDER BY",
            "the lines of a few tasks, brought into the order of the log"
        ),
        ("attempt_started_at_ms BETWEEN", "USE TEMP B-TREE FOR ORDER BY", "the uncertain tasks of one service"),
    ]

    /// Opens a store, runs the body on it, then checks the plans of its statements.
    static func with(_ body: (SQLiteDriver) async throws -> Void) async throws {
        let directory = try TemporaryDirectory()
        let statements = Statements()
        let store = try SQLiteDriver.open(
            path: directory.file("pollux.sqlite"), configuration: statements.configuration)
        statements.forget()
        try await body(store)
        for sql in Set(statements.all).sorted() {
            for step in try await plan(of: sql, in: store) where !isAllowed(step, of: sql) {
                Issue.record("\(step)\n\(sql)")
            }
        }
        try store.close()
    }

    /// The steps of the plan that scan, sort or compare several columns.
    static func plan(of sql: String, in store: SQLiteDriver) async throws -> [String] {
        guard ["SELECT", "WITH", "INSERT", "UPDATE", "DELETE"].contains(where: sql.hasPrefix) else { return [] }
        return try await store.pool.read { db in
            // Without values, as when SQLite prepares the statement.
            let statement = try db.makeStatement(sql: "EXPLAIN QUERY PLAN " + sql)
            statement.setUncheckedArguments(StatementArguments())
            return try Row.fetchAll(statement).map { $0["detail"] as String }
        }
        .filter { step in
            let scans = step.hasPrefix("SCAN ") && step != "SCAN CONSTANT ROW"
            return scans && !step.hasPrefix("SCAN (subquery") || step.contains("TEMP B-TREE") || step.contains(")>(")
        }
    }

    private static func isAllowed(_ step: String, of sql: String) -> Bool {
        allowed.contains { sql.contains($0.part) && step.hasPrefix($0.step) }
    }
}
