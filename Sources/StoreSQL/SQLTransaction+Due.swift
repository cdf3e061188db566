package import TaskModel
package import TaskStore

/// Reads due tasks, due times and the counts of tasks.
extension SQLTransaction {
    package func counts() throws -> [TaskCount] {
        try CountRow.fetchAll(connection, "SELECT state, endpoint, account, count FROM task_count WHERE count > 0")
            .compactMap(\.count)
    }

    package func queued(on endpoint: EndpointName, after key: Int64, at now: Timestamp, limit: Int) throws
        -> [TrackedTask]
    {
        // Few due tasks are found by their due time and sorted. With many due tasks, the index by priority is read
        // until there are enough. Each way is slow in the other case, and SQLite cannot know which applies.
        let ready = try connection.integer(
            """
            SELECT COUNT(*) FROM (
              SELECT 1 FROM task WHERE endpoint = ? AND state = 'queued' AND next_due_at_ms <= ? LIMIT ?) AS ready
            """, [.text(endpoint.text), ColumnValue(now), .integer(Self.fewReady)])
        let due = ready == Self.fewReady ? dialect.unindexed("next_due_at_ms") : "next_due_at_ms"
        return try tasks(
            """
            endpoint = ? AND state = 'queued' AND \(due) <= ? AND (deadline_ms IS NULL OR deadline_ms > ?)
              AND \(dialect.unindexed("task_key")) > ?
            ORDER BY priority DESC, task_key LIMIT ?
            """, [.text(endpoint.text), ColumnValue(now), ColumnValue(now), .integer(key), ColumnValue(limit)])
    }

    package func queued(on endpoint: EndpointName, after key: Int64, through last: Int64, limit: Int) throws
        -> [TaskTexts]
    {
        // Reads the index of queued tasks and sorts. The order of keys would read all ended tasks.
        let number = dialect.unindexed("task_key")
        return try TaskTexts.fetchAll(
            connection,
            """
            SELECT \(TaskRow.columns(in: dialect)), request, NULL AS response, NULL AS part_bytes
            FROM task JOIN task_payload USING (task_key)
            WHERE \(number) > ? AND \(number) <= ? AND endpoint = ? AND state = 'queued'
              AND next_due_at_ms IS NOT NULL
            ORDER BY \(number) LIMIT ?
            """, [.integer(key), .integer(last), .text(endpoint.text), ColumnValue(limit)])
    }

    package func latestKey() throws -> Int64 {
        try connection.integer("SELECT MAX(task_key) FROM task") ?? 0
    }

    private static let fewReady: Int64 = 200

    package func services(with what: ServiceQuery) throws -> [AccountService] {
        // The condition on the due time makes the partial index usable.
        let (table, condition) =
            switch what {
            case .tasks(let state): ("task", "state = \(state.literal) AND next_due_at_ms IS NOT NULL")
            case .givenUpAttempts: ("given_up_attempt", "next_reading_at_ms IS NOT NULL")
            }
        // Each finds one entry of the index. A comparison of both columns at once, with (service, account) > (?, ?), reads
        // all tasks of the account that it begins with.
        let nextAccount = SQLStatement.text(
            """
            SELECT service, account FROM \(table) WHERE \(condition) AND service = ? AND account > ?
            ORDER BY account LIMIT 1
            """)
        let nextService = SQLStatement.text(
            """
            SELECT service, account FROM \(table) WHERE \(condition) AND service > ?
            ORDER BY service, account LIMIT 1
            """)
        func next(after last: AccountService?) throws -> AccountService? {
            guard let last else { return try AccountService.fetchOne(connection, nextService, [.text("")]) }
            return try AccountService.fetchOne(connection, nextAccount, last.values)
                ?? AccountService.fetchOne(connection, nextService, [.text(last.service.text)])
        }
        var services: [AccountService] = []
        while let service = try next(after: services.last) { services.append(service) }
        return services
    }

    package func due(
        in state: TaskState, of service: AccountService, by time: Timestamp, excluding: Set<TaskID>, limit: Int
    ) throws -> [TrackedTask] {
        guard !excluding.isEmpty else {
            return try tasks(
                """
                service = ? AND account = ? AND state = \(state.literal) AND next_due_at_ms <= ?
                ORDER BY next_due_at_ms LIMIT ?
                """, service.values + [ColumnValue(time), ColumnValue(limit)])
        }
        // Reads keys and ids first, and whole rows only for tasks that are not excluded.
        var free: [Int64] = []
        _ = try DueRow.fetch(
            connection,
            """
            SELECT task_key, id FROM task
            WHERE service = ? AND account = ? AND state = \(state.literal) AND next_due_at_ms <= ?
            ORDER BY next_due_at_ms LIMIT ?
            """, service.values + [ColumnValue(time), ColumnValue(limit + excluding.count)]
        ) { row in
            if !excluding.contains(row.id) { free.append(row.key) }
            return free.count >= limit
        }
        return try TaskRow.fetchAll(
            connection, .keyed(.taskByKey) { "SELECT \(TaskRow.columns(in: $0)) FROM task WHERE task_key = ?" },
            each: free.prefix(limit).map { [.integer($0)] }
        ).map(\.task)
    }

    package func earliest(_ time: TimeQuery) throws -> Timestamp? {
        let found =
            switch time {
            case .due(let state, let service):
                try connection.integer(
                    """
                    SELECT MIN(next_due_at_ms) FROM task
                    WHERE service = ? AND account = ? AND state = \(state.literal) AND next_due_at_ms IS NOT NULL
                    """, service.values)
            case .queued(let endpoint, let now):
                try connection.integer(
                    """
                    SELECT MIN(next_due_at_ms) FROM task
                    WHERE endpoint = ? AND state = 'queued' AND next_due_at_ms > ?
                    """, [.text(endpoint.text), ColumnValue(now)])
            case .deadline:
                try connection.integer(
                    """
                    SELECT MIN(deadline_ms) FROM task
                    WHERE deadline_ms IS NOT NULL AND next_due_at_ms IS NOT NULL
                      AND \(dialect.unindexedInSQLite("state")) IN ('queued', 'running')
                    """)
            case .givenUpReading(let service):
                try connection.integer(
                    """
                    SELECT MIN(next_reading_at_ms) FROM given_up_attempt
                    WHERE service = ? AND account = ? AND next_reading_at_ms IS NOT NULL
                    """, service.values)
            }
        return found.map(Timestamp.init(milliseconds:))
    }

    package func tasks(in state: TaskState, limit: Int) throws -> [TrackedTask] {
        try tasks("state = \(state.literal) ORDER BY task_key LIMIT ?", [ColumnValue(limit)])
    }

    package func overdue(at now: Timestamp, limit: Int) throws -> [TrackedTask] {
        try tasks(
            """
            deadline_ms <= ? AND next_due_at_ms IS NOT NULL AND \(dialect.unindexedInSQLite("state")) IN ('queued', 'running')
            ORDER BY deadline_ms LIMIT ?
            """, [ColumnValue(now), ColumnValue(limit)])
    }

    private func tasks(_ condition: String, _ values: [ColumnValue]) throws -> [TrackedTask] {
        try TaskRow.fetchAll(connection, "SELECT \(TaskRow.columns(in: dialect)) FROM task WHERE \(condition)", values)
            .map(\.task)
    }
}

extension AccountService: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws {
        let (name, account): (String, String) = (next(), next())
        guard let service = ServiceName(name) else {
            throw TaskStoreError.damaged("the service name \"\(name)\" is invalid")
        }
        self.init(service, of: AccountName(stored: account))
    }

    /// The values of the columns `service` and `account`.
    var values: [ColumnValue] { [.text(service.text), .text(account.text)] }
}

/// A row of `task_count`; nil for a state or an endpoint that this version does not know.
private struct CountRow: ColumnDecodable {
    let count: TaskCount?

    init(_ next: inout ColumnReader) throws {
        let (state, endpoint, account): (String, String, String) = (next(), next(), next())
        let number: Int = next()
        guard let endpoint = EndpointName(endpoint), let state = TaskState(rawValue: state) else {
            count = nil
            return
        }
        count = TaskCount(endpoint: endpoint, state: state, account: AccountName(stored: account), count: number)
    }
}

/// The key and the id of a due task.
private struct DueRow: ColumnDecodable {
    let key: Int64
    let id: TaskID

    init(_ next: inout ColumnReader) throws {
        key = next()
        guard let id = next.taskID() else {
            throw TaskStoreError.damaged("the row of the task with key \(key) cannot be read")
        }
        self.id = id
    }
}
