import GRDB
import SQLiteRaw
import TaskModel
import TaskStore

/// Changes due times.
extension SQLiteTransaction {
    func setDue(_ ids: [TaskID], at time: Timestamp) throws {
        let statement = try db.cachedStatement(
            sql: "UPDATE task SET next_due_at_ms = ? WHERE id = ? AND next_due_at_ms IS NOT NULL")
        for id in ids { try statement.execute(binding: ColumnValue(time), .text(id.text)) }
    }

    func bringForward(in state: TaskState, dueAfter latest: Timestamp, to now: Timestamp) throws -> Int {
        // The index orders due times within an account's service, so only changed rows are read.
        var count = 0
        let due = state == .queued ? "MAX(?1, COALESCE(not_before_ms, ?1))" : "?1"
        let condition = state == .queued ? "AND (not_before_ms IS NULL OR not_before_ms < next_due_at_ms)" : ""
        for service in try services(with: .tasks(state)) {
            try db.cachedStatement(
                sql: """
                    UPDATE task SET next_due_at_ms = \(due)
                    WHERE state = \(state.literal) AND service = ?2 AND account = ?3 AND next_due_at_ms > ?4 \(condition)
                    """
            ).execute(
                arguments: [now.milliseconds, service.service.text, service.account.text, latest.milliseconds])
            count += db.changesCount
        }
        return count
    }

    func moveSchedule(in state: TaskState, by jump: Duration) throws {
        let sql =
            state == .queued
            ? """
            UPDATE task SET next_due_at_ms = MAX(next_due_at_ms + ?1, COALESCE(not_before_ms, next_due_at_ms + ?1))
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
        try db.cachedStatement(sql: sql).execute(arguments: [jump.wholeMilliseconds])
    }

    func open(in state: TaskState) throws -> [TaskRow] {
        try TaskRow.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT \(TaskRow.columns) FROM task WHERE state = \(state.literal) AND next_due_at_ms IS NOT NULL
                    """), binding: [])
    }

    func moveGivenUp(by jump: Duration) throws {
        try db.cachedStatement(
            sql: """
                UPDATE given_up_attempt SET
                  clock_drift_ms = clock_drift_ms + ?1, clock_lowest_ms = MIN(clock_lowest_ms, clock_drift_ms + ?1),
                  clock_highest_ms = MAX(clock_highest_ms, clock_drift_ms + ?1),
                  given_up_at_ms = given_up_at_ms + ?1, next_reading_at_ms = next_reading_at_ms + ?1
                WHERE remote_id IS NULL
                """
        ).execute(arguments: [jump.wholeMilliseconds])
    }
}
