package import TaskModel
package import TaskStore

/// Reads and writes given-up attempts.
extension SQLTransaction {
    package func attempted(
        in state: TaskState, of service: ServiceName, within window: ClosedRange<Timestamp>?
    ) throws -> [TaskTexts] {
        let condition = window == nil ? "" : "AND attempt_started_at_ms BETWEEN ? AND ?"
        let bounds = window.map { [ColumnValue($0.lowerBound), ColumnValue($0.upperBound)] } ?? []
        return try TaskTexts.fetchAll(
            connection,
            """
            SELECT \(TaskRow.columns(in: dialect)), request, NULL AS response, NULL AS part_bytes
            FROM task JOIN task_payload USING (task_key)
            WHERE service = ? AND state = \(state.literal) AND next_due_at_ms IS NOT NULL \(condition)
            ORDER BY task_key
            """, [.text(service.text)] + bounds)
    }

    package func neighbours(
        of row: TaskRow, by account: AccountName, submittedIn period: ClosedRange<Timestamp>
    ) throws -> [TrackedTask] {
        // Reads two thousand tasks on either side, because keys are nearly in order of time.
        let condition = account == .unknown ? "" : "AND account = ?"
        let wanted = account == .unknown ? [] : [ColumnValue.text(account.text)]
        return try ["task_key < ? ORDER BY task_key DESC", "task_key > ? ORDER BY task_key"].flatMap { side in
            try TaskRow.fetchAll(
                connection,
                """
                SELECT \(TaskRow.columns(in: dialect))
                FROM (SELECT * FROM task WHERE endpoint = ? AND \(side) LIMIT 2000) AS task
                WHERE remote_id IS NOT NULL AND attempts > 0 AND submitted_at_ms BETWEEN ? AND ? \(condition)
                LIMIT 100
                """,
                [
                    .text(row.task.endpoint.text), .integer(row.key), ColumnValue(period.lowerBound),
                    ColumnValue(period.upperBound),
                ] + wanted
            ).map(\.task)
        }
    }

    package func givenUp(_ query: GivenUpQuery) throws -> [GivenUpRow] {
        switch query {
        case .due(let service, let time, let limit):
            try GivenUpRow.fetchAll(
                connection,
                """
                SELECT task.id, \(GivenUpRow.columns) FROM given_up_attempt AS attempt JOIN task USING (task_key)
                WHERE attempt.service = ? AND attempt.account = ? AND next_reading_at_ms <= ?
                ORDER BY next_reading_at_ms LIMIT ?
                """, service.values + [ColumnValue(time), ColumnValue(limit)])
        case .begun(let service, let window):
            try GivenUpRow.fetchAll(
                connection,
                """
                SELECT task.id, \(GivenUpRow.columns) FROM given_up_attempt AS attempt JOIN task USING (task_key)
                WHERE attempt.service = ? AND attempt.remote_id IS NULL AND attempt.started_at_ms BETWEEN ? AND ?
                ORDER BY attempt.started_at_ms
                """, [.text(service.text), ColumnValue(window.lowerBound), ColumnValue(window.upperBound)])
        case .of(let task):
            try GivenUpRow.fetchAll(
                connection,
                """
                SELECT task.id, \(GivenUpRow.columns) FROM task JOIN given_up_attempt AS attempt USING (task_key)
                WHERE task.id = ? AND \(dialect.unindexed("attempt.remote_id", isText: true)) IS NULL ORDER BY number
                """, [.text(task.text)])
        case .numbered(let number, let task):
            try GivenUpRow.fetchAll(
                connection,
                """
                SELECT task.id, \(GivenUpRow.columns) FROM task JOIN given_up_attempt AS attempt USING (task_key)
                WHERE task.id = ? AND attempt.number = ?
                """, [.text(task.text), ColumnValue(number)])
        }
    }

    package func put(_ attempts: [GivenUpRow]) throws {
        for row in attempts {
            let (given, attempt) = (row.attempt, row.attempt.attempt)
            try connection.execute(
                Self.putGivenUp,
                [
                    .integer(row.key), ColumnValue(attempt.number), .text(row.service.text),
                    ColumnValue(attempt.startedAt), ColumnValue(attempt.endedAt ?? given.givenUpAt),
                    ColumnValue(given.endedWithDaemon), ColumnValue(attempt.clock.sum.wholeMilliseconds),
                    ColumnValue(attempt.clock.lowest.wholeMilliseconds),
                    ColumnValue(attempt.clock.highest.wholeMilliseconds), ColumnValue(attempt.callback?.bytes),
                    ColumnValue(given.givenUpAt), ColumnValue(given.readings), ColumnValue(given.nextReadingAt),
                    ColumnValue(row.remoteID?.text), .text(given.account.text),
                ])
        }
    }

    private static let putGivenUp = upsert(
        into: "given_up_attempt", key: ["task_key", "number"],
        others: [
            "service", "started_at_ms", "ended_at_ms", "ended_with_daemon", "clock_drift_ms", "clock_lowest_ms",
            "clock_highest_ms", "callback", "given_up_at_ms", "readings", "next_reading_at_ms", "remote_id", "account",
        ])

    package func dropGivenUp(_ number: Int, of key: Int64) throws {
        try connection.execute(
            "DELETE FROM given_up_attempt WHERE task_key = ? AND number = ?", [.integer(key), ColumnValue(number)])
    }
}

extension GivenUpRow: ColumnDecodable {
    /// The columns after the id of the task.
    static let columns = """
        attempt.task_key, attempt.service, attempt.remote_id, attempt.number, attempt.started_at_ms, attempt.ended_at_ms,
        attempt.ended_with_daemon, attempt.clock_drift_ms, attempt.clock_lowest_ms, attempt.clock_highest_ms,
        attempt.callback, attempt.given_up_at_ms, attempt.readings, attempt.next_reading_at_ms, attempt.account
        """

    package init(_ next: inout ColumnReader) throws {
        guard let task = next.taskID() else { throw TaskStoreError.damaged("an attempt has no task") }
        let key: Int64 = next()
        guard let service = ServiceName(next()) else {
            throw TaskStoreError.damaged("an attempt of \(task) has no service")
        }
        let remoteID = (next.optional() as String?).flatMap { RemoteTaskID($0) }
        var attempt = Attempt(
            number: next(), startedAt: Timestamp(milliseconds: next()), endedAt: Timestamp(milliseconds: next()))
        let endedWithDaemon: Bool = next()
        let (drift, lowest, highest): (Int64, Int64, Int64) = (next(), next(), next())
        attempt.clock = ClockDrift(
            sum: .milliseconds(drift), lowest: .milliseconds(lowest), highest: .milliseconds(highest))
        attempt.callback = (next.optional() as [UInt8]?).flatMap { CallbackDigest($0) }
        let (givenUpAt, readings, nextReadingAt) = (Timestamp(milliseconds: next()), next() as Int, next.time())
        self.init(
            key: key, service: service,
            attempt: GivenUpAttempt(
                task: task, attempt: attempt, account: AccountName(stored: next()), endedWithDaemon: endedWithDaemon,
                givenUpAt: givenUpAt, readings: readings, nextReadingAt: nextReadingAt),
            remoteID: remoteID)
    }
}
