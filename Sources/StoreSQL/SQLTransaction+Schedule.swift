package import TaskModel
package import TaskStore

/// Changes due times.
extension SQLTransaction {
    package func setDue(_ ids: [TaskID], at time: Timestamp) throws {
        let statement: SQLStatement = """
            UPDATE task SET next_due_at_ms = ? WHERE id = ? AND \(dialect.unindexed("next_due_at_ms")) IS NOT NULL
            """
        for id in ids { try connection.execute(statement, [ColumnValue(time), .text(id.text)]) }
    }

    package func bringForward(in state: TaskState, dueAfter latest: Timestamp, to now: Timestamp) throws -> Int {
        // The index orders due times within an account's service, so only changed rows are read.
        var count = 0
        let due = state == .queued ? dialect.greatest("?1", "COALESCE(not_before_ms, ?1)") : "?1"
        let condition = state == .queued ? "AND (not_before_ms IS NULL OR not_before_ms < next_due_at_ms)" : ""
        for service in try services(with: .tasks(state)) {
            count += try connection.change(
                """
                UPDATE task SET next_due_at_ms = \(due)
                WHERE state = \(state.literal) AND service = ?2 AND account = ?3 AND next_due_at_ms > ?4 \(condition)
                """, [ColumnValue(now)] + service.values + [ColumnValue(latest)])
        }
        return count
    }

    package func moveSchedule(in state: TaskState, by jump: Duration) throws {
        let moved = dialect.greatest("next_due_at_ms + ?1", "COALESCE(not_before_ms, next_due_at_ms + ?1)")
        let statement: SQLStatement =
            state == .queued
            ? """
            UPDATE task SET next_due_at_ms = \(moved)
            WHERE state = 'queued' AND next_due_at_ms IS NOT NULL
              AND (not_before_ms IS NULL OR not_before_ms < next_due_at_ms)
            """
            : """
            UPDATE task SET next_due_at_ms = next_due_at_ms + ?1, age_from_ms = age_from_ms + ?1,
              last_pending_at_ms = last_pending_at_ms + ?1, progress_at_ms = progress_at_ms + ?1,
              called_back_at_ms = called_back_at_ms + ?1, final_callback_at_ms = final_callback_at_ms + ?1,
              first_miss_at_ms = first_miss_at_ms + ?1
            WHERE state = \(state.literal) AND next_due_at_ms IS NOT NULL
            """
        try connection.execute(statement, [.integer(jump.wholeMilliseconds)])
    }

    package func open(in state: TaskState) throws -> [TaskRow] {
        // With ORDER BY, a database may read the whole table by its key.
        try TaskRow.fetchAll(
            connection,
            """
            SELECT \(TaskRow.columns(in: dialect)) FROM task WHERE state = \(state.literal) AND next_due_at_ms IS NOT NULL
            """
        ).sorted { $0.key < $1.key }
    }

    package func moveGivenUp(by jump: Duration) throws {
        let drift = "clock_drift_ms + ?1"
        try connection.execute(
            """
            UPDATE given_up_attempt SET
              clock_drift_ms = \(drift), clock_lowest_ms = \(dialect.least("clock_lowest_ms", drift)),
              clock_highest_ms = \(dialect.greatest("clock_highest_ms", drift)),
              given_up_at_ms = given_up_at_ms + ?1, next_reading_at_ms = next_reading_at_ms + ?1
            WHERE remote_id IS NULL
            """, [.integer(jump.wholeMilliseconds)])
    }
}
