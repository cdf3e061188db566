import GRDB
package import TaskModel
package import TaskStore

/// Attempts that were given up though the provider may have accepted them.
extension SQLiteTaskStore {
    package func servicesWithGivenUpAttempts() async throws(TaskStoreError) -> [String] {
        try await readOnce { db in
            // Hops from one to the next in the index.
            let next = try db.cachedStatement(
                sql: """
                    SELECT MIN(service) FROM given_up_attempt WHERE next_reading_at_ms IS NOT NULL AND service > ?
                    """)
            var services: [String] = []
            while let service = try String.fetchOne(next, arguments: [services.last ?? ""]) { services.append(service) }
            return services
        }
    }

    package func givenUpAttempts(
        of service: String, dueBy time: Timestamp, limit: Int
    ) async throws(TaskStoreError) -> [GivenUpAttempt] {
        try await readOnce { db in
            try GivenUpRow.fetchAll(
                db.cachedStatement(
                    sql: """
                        SELECT task.id, \(GivenUpRow.columns) FROM given_up_attempt AS attempt JOIN task USING (task_key)
                        WHERE attempt.service = ? AND next_reading_at_ms <= ? ORDER BY next_reading_at_ms LIMIT ?
                        """),
                binding: [.text(service), ColumnValue(time), ColumnValue(limit)]
            ).map(\.attempt)
        }
    }

    package func givenUpAttempts(of task: TaskID) async throws(TaskStoreError) -> [GivenUpAttempt] {
        try await readOnce { db in
            try GivenUpRow.fetchAll(
                db.cachedStatement(
                    sql: """
                        SELECT task.id, \(GivenUpRow.columns) FROM task JOIN given_up_attempt AS attempt USING (task_key)
                        WHERE task.id = ? AND attempt.remote_id IS NULL ORDER BY number
                        """),
                binding: [.text(task.text)]
            ).map(\.attempt)
        }
    }

    package func nextGivenUpReading(of service: String) async throws(TaskStoreError) -> Timestamp? {
        try await readOnce { db in
            try Int64.fetchOne(
                db.cachedStatement(
                    sql: """
                        SELECT MIN(next_reading_at_ms) FROM given_up_attempt
                        WHERE service = ? AND next_reading_at_ms IS NOT NULL
                        """), arguments: [service]
            ).map(Timestamp.init(milliseconds:))
        }
    }

    package func noteReadings(of attempts: [GivenUpAttempt]) async throws(TaskStoreError) {
        guard !attempts.isEmpty else { return }
        try await write { db in
            let statement = try db.cachedStatement(
                sql: """
                    UPDATE given_up_attempt SET readings = ?, next_reading_at_ms = ?
                    WHERE task_key = (SELECT task_key FROM task WHERE id = ?) AND number = ? AND remote_id IS NULL
                    """)
            for attempt in attempts {
                try statement.execute(
                    binding: ColumnValue(attempt.readings), ColumnValue(attempt.nextReadingAt),
                    .text(attempt.task.text), ColumnValue(attempt.attempt.number))
            }
        }
    }

    /// Moves along with a jump of the wall clock when attempts are read again, and adds it to what they have seen.
    static func moveGivenUpAttempts(by jump: Duration, in db: Database) throws {
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

    /// Attempts that began in the window and whose records have not turned up, with their tasks.
    static func givenUp(
        in window: ClosedRange<Timestamp>, of service: String, from db: Database
    ) throws -> [GivenUpTask] {
        try GivenUpTaskRow.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT \(TaskRow.columns), request, NULL AS response, task.id, \(GivenUpRow.columns)
                    FROM given_up_attempt AS attempt JOIN task USING (task_key) JOIN task_payload USING (task_key)
                    WHERE attempt.service = ? AND attempt.remote_id IS NULL AND attempt.started_at_ms BETWEEN ? AND ?
                    ORDER BY attempt.started_at_ms
                    """),
            binding: [.text(service), ColumnValue(window.lowerBound), ColumnValue(window.upperBound)]
        ).map { GivenUpTask(stored: try $0.task.stored, givenUp: $0.attempt) }
    }

    /// Writes what a change does to the attempts of its task.
    static func write(_ change: AttemptChange, of row: TaskRow, in db: Database) throws {
        if let (number, id) = change.found {
            try db.cachedStatement(
                sql: """
                    UPDATE given_up_attempt SET remote_id = ?, next_reading_at_ms = NULL
                    WHERE task_key = ? AND number = ? AND remote_id IS NULL
                    """
            ).execute(binding: .text(id.text), .integer(row.key), ColumnValue(number))
        }
        if let number = change.resumed {
            try db.cachedStatement(sql: "DELETE FROM given_up_attempt WHERE task_key = ? AND number = ?")
                .execute(binding: .integer(row.key), ColumnValue(number))
        }
        guard let givenUp = change.givenUp else { return }
        let attempt = givenUp.attempt
        try db.cachedStatement(
            sql: """
                INSERT OR REPLACE INTO given_up_attempt (
                  task_key, number, service, started_at_ms, ended_at_ms, ended_with_daemon, clock_drift_ms,
                  clock_lowest_ms, clock_highest_ms, callback, given_up_at_ms, readings, next_reading_at_ms)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(
            binding: .integer(row.key), ColumnValue(attempt.number), .text(row.task.endpoint.service),
            ColumnValue(attempt.startedAt), ColumnValue(attempt.endedAt ?? givenUp.givenUpAt),
            ColumnValue(givenUp.endedWithDaemon), ColumnValue(attempt.clock.sum.wholeMilliseconds),
            ColumnValue(attempt.clock.lowest.wholeMilliseconds), ColumnValue(attempt.clock.highest.wholeMilliseconds),
            ColumnValue(attempt.callback?.bytes), ColumnValue(givenUp.givenUpAt), ColumnValue(givenUp.readings),
            ColumnValue(givenUp.nextReadingAt))
    }
}

/// One row of `given_up_attempt`, behind the id of its task.
private struct GivenUpRow: PositionalRow {
    static let columns = """
        attempt.number, attempt.started_at_ms, attempt.ended_at_ms, attempt.ended_with_daemon, attempt.clock_drift_ms,
        attempt.clock_lowest_ms, attempt.clock_highest_ms, attempt.callback, attempt.given_up_at_ms, attempt.readings, attempt.next_reading_at_ms
        """

    let attempt: GivenUpAttempt

    init(_ next: inout ColumnReader) throws {
        guard let task = next.taskID() else { throw TaskStoreError.damaged("an attempt names no task") }
        var attempt = Attempt(
            number: next(), startedAt: Timestamp(milliseconds: next()), endedAt: Timestamp(milliseconds: next()))
        let endedWithDaemon: Bool = next()
        let (drift, lowest, highest): (Int64, Int64, Int64) = (next(), next(), next())
        attempt.clock = ClockDrift(
            sum: .milliseconds(drift), lowest: .milliseconds(lowest), highest: .milliseconds(highest))
        attempt.callback = (next.optional() as [UInt8]?).flatMap { CallbackDigest($0) }
        self.attempt = GivenUpAttempt(
            task: task, attempt: attempt, endedWithDaemon: endedWithDaemon,
            givenUpAt: Timestamp(milliseconds: next()), readings: next(), nextReadingAt: next.time())
    }
}

/// The same behind its task with its documents.
private struct GivenUpTaskRow: PositionalRow {
    let task: StoredTaskRow
    let attempt: GivenUpAttempt

    init(_ columns: inout ColumnReader) throws {
        task = try StoredTaskRow(&columns)
        attempt = try GivenUpRow(&columns).attempt
    }
}
