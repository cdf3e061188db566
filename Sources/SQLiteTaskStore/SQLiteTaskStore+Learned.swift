import GRDB
package import TaskModel
package import TaskStore

extension SQLiteTaskStore {
    package func learned(of endpoint: EndpointName) async throws(TaskStoreError) -> [Learned] {
        try await readOnce { db in
            try LearnedRow.fetchAll(
                db.cachedStatement(
                    sql: "SELECT \(LearnedRow.columns) FROM learned WHERE endpoint = ? ORDER BY model"),
                binding: [.text(endpoint.text)]
            ).map(\.learned)
        }
    }

    /// Reads what each lesson is about, changes it, and writes it back, in the transaction of the changes that teach it.
    static func learn(_ lessons: [Lesson], from changes: [TaskChange], in db: Database) throws {
        for lesson in lessons {
            var row = try row(of: lesson.key, in: db)
            lesson.learn(&row, changes)
            try write(row, in: db)
        }
    }

    package func moveSchedule(by jump: Duration) async throws(TaskStoreError) {
        try await write { db in
            let milliseconds = jump.wholeMilliseconds
            for state in [TaskState.running, .uncertain] {
                try db.cachedStatement(
                    sql: """
                        UPDATE task SET next_due_at_ms = next_due_at_ms + ?1, age_from_ms = age_from_ms + ?1,
                          last_pending_at_ms = last_pending_at_ms + ?1, progress_at_ms = progress_at_ms + ?1,
                          called_back_at_ms = called_back_at_ms + ?1, final_callback_at_ms = final_callback_at_ms + ?1,
                          first_miss_at_ms = first_miss_at_ms + ?1
                        WHERE state = \(state.literal) AND next_due_at_ms IS NOT NULL
                        """
                ).execute(arguments: [milliseconds])
            }
            for state in [TaskState.submitting, .uncertain] {
                try Self.moveAttempts(in: state, by: jump, in: db)
            }
            try Self.moveGivenUpAttempts(by: jump, in: db)
            // In the queue only what a person wants no earlier has to do with the wall clock.
            try db.cachedStatement(
                sql: """
                    UPDATE task SET next_due_at_ms = MAX(next_due_at_ms + ?1, COALESCE(not_before_ms, next_due_at_ms + ?1))
                    WHERE state = 'queued' AND next_due_at_ms IS NOT NULL
                      AND (not_before_ms IS NULL OR not_before_ms < next_due_at_ms)
                    """
            ).execute(arguments: [milliseconds])
        }
    }

    private static func moveAttempts(in state: TaskState, by jump: Duration, in db: Database) throws {
        let rows = try TaskRow.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT \(TaskRow.columns) FROM task WHERE state = \(state.literal) AND next_due_at_ms IS NOT NULL
                    """), binding: [])
        for row in rows {
            guard var attempt = row.task.attempt else { continue }
            attempt.clockJumped(by: jump)
            try db.cachedStatement(
                sql: """
                    UPDATE task SET attempt_clock_drift_ms = ?, attempt_clock_lowest_ms = ?,
                      attempt_clock_highest_ms = ?, attempt_absent_readings = ?, attempt_first_absent_at_ms = ?
                    WHERE task_key = ?
                    """
            ).execute(arguments: [
                attempt.clock.sum.wholeMilliseconds, attempt.clock.lowest.wholeMilliseconds,
                attempt.clock.highest.wholeMilliseconds, attempt.absentReadings,
                attempt.firstAbsentAt?.milliseconds, row.key,
            ])
        }
    }

    private static func write(_ row: Learned, in db: Database) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO learned (
                  endpoint, model, durations, wait_ms, starts_told, finished, calls, lateness_ms, lateness_samples,
                  throttled, callbacks_expected, callbacks_came, callback_trust, callback_delay_ms,
                  callback_delay_samples)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (endpoint, model) DO UPDATE SET
                  durations = excluded.durations, wait_ms = excluded.wait_ms, starts_told = excluded.starts_told,
                  finished = excluded.finished, calls = excluded.calls, lateness_ms = excluded.lateness_ms,
                  lateness_samples = excluded.lateness_samples, throttled = excluded.throttled,
                  callbacks_expected = excluded.callbacks_expected, callbacks_came = excluded.callbacks_came,
                  callback_trust = excluded.callback_trust, callback_delay_ms = excluded.callback_delay_ms,
                  callback_delay_samples = excluded.callback_delay_samples
                """
        ).execute(arguments: [
            row.key.endpoint.text, row.key.model ?? "", row.durations, row.wait?.wholeMilliseconds, row.startsTold,
            row.finished, row.calls, row.lateness.wholeMilliseconds, row.latenessSamples, row.throttled,
            row.callbacks.expected, row.callbacks.came, row.callbacks.trust, row.callbacks.delay.wholeMilliseconds,
            row.callbacks.delaySamples,
        ])
    }

    private static func row(of key: LearnedKey, in db: Database) throws -> Learned {
        try LearnedRow.fetchOne(
            db.cachedStatement(
                sql: "SELECT \(LearnedRow.columns) FROM learned WHERE endpoint = ? AND model = ?"),
            binding: .text(key.endpoint.text), .text(key.model ?? "")
        )?.learned ?? Learned(key: key)
    }
}

/// One row of `learned`.
private struct LearnedRow: PositionalRow {
    static let columns = """
        endpoint, model, durations, wait_ms, starts_told, finished, calls, lateness_ms, lateness_samples, throttled,
        callbacks_expected, callbacks_came, callback_trust, callback_delay_ms, callback_delay_samples
        """

    let learned: Learned

    init(_ next: inout ColumnReader) throws {
        let (endpoint, model): (String, String) = (next(), next())
        guard let name = EndpointName(endpoint) else {
            throw TaskStoreError.damaged("what was learned of \(endpoint) cannot be read")
        }
        var row = Learned(key: LearnedKey(name, model: model.isEmpty ? nil : model))
        row.durations = next.optional()
        row.wait = (next.optional() as Int64?).map { .milliseconds($0) }
        row.startsTold = next()
        row.finished = next()
        row.calls = next()
        row.lateness = .milliseconds(next() as Int64)
        row.latenessSamples = next()
        row.throttled = next()
        row.callbacks.expected = next()
        row.callbacks.came = next()
        row.callbacks.trust = next()
        row.callbacks.delay = .milliseconds(next() as Int64)
        row.callbacks.delaySamples = next()
        learned = row
    }
}
