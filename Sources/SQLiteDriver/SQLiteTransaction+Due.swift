import GRDB
import SQLiteRaw
import TaskModel
import TaskStore

/// Reads due tasks, due times and the counts of tasks.
extension SQLiteTransaction {
    func counts() throws -> [TaskCount] {
        let rows = try Row.fetchAll(
            db.cachedStatement(sql: "SELECT state, endpoint, account, count FROM task_count WHERE count > 0"))
        return rows.compactMap { row in
            guard let endpoint = EndpointName(row["endpoint"]), let state = TaskState(rawValue: row["state"]) else {
                return nil
            }
            return TaskCount(
                endpoint: endpoint, state: state, account: AccountName(stored: row["account"]), count: row["count"])
        }
    }

    func queued(on endpoint: EndpointName, after key: Int64, at now: Timestamp, limit: Int) throws -> [TrackedTask] {
        // Few due tasks are found by their due time and sorted. With many due tasks, the index by priority is read
        // until there are enough. Each way is slow in the other case, and SQLite cannot know which applies.
        let ready = try Int.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT COUNT(*) FROM (
                      SELECT 1 FROM task WHERE endpoint = ? AND state = 'queued' AND next_due_at_ms <= ? LIMIT ?)
                    """), arguments: [endpoint.text, now.milliseconds, Self.fewReady])
        let due = ready == Self.fewReady ? "+next_due_at_ms" : "next_due_at_ms"
        return try tasks(
            """
            endpoint = ? AND state = 'queued' AND \(due) <= ? AND (deadline_ms IS NULL OR deadline_ms > ?)
              AND +task_key > ?
            ORDER BY priority DESC, task_key LIMIT ?
            """, [.text(endpoint.text), ColumnValue(now), ColumnValue(now), .integer(key), ColumnValue(limit)])
    }

    func queued(on endpoint: EndpointName, after key: Int64, through last: Int64, limit: Int) throws -> [TaskTexts] {
        // Reads the index of queued tasks and sorts. The order of keys would read all ended tasks.
        try TaskTexts.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT \(TaskRow.columns), request, NULL AS response, NULL AS part_bytes FROM task JOIN task_payload USING (task_key)
                    WHERE +task_key > ? AND +task_key <= ? AND endpoint = ? AND state = 'queued'
                      AND next_due_at_ms IS NOT NULL
                    ORDER BY +task_key LIMIT ?
                    """), binding: [.integer(key), .integer(last), .text(endpoint.text), ColumnValue(limit)])
    }

    func latestKey() throws -> Int64 {
        try Int64.fetchOne(db.cachedStatement(sql: "SELECT MAX(task_key) FROM task")) ?? 0
    }

    private static let fewReady = 200

    func services(with what: ServiceQuery) throws -> [AccountService] {
        // The condition on the due time makes the partial index usable.
        let (table, condition) =
            switch what {
            case .tasks(let state): ("task", "state = \(state.literal) AND next_due_at_ms IS NOT NULL")
            case .givenUpAttempts: ("given_up_attempt", "next_reading_at_ms IS NOT NULL")
            }
        // Each finds one entry of the index. A comparison of both columns at once, with (service, account) > (?, ?), reads
        // all tasks of the account that it begins with.
        let nextAccount = try db.cachedStatement(
            sql: """
                SELECT service, account FROM \(table) WHERE \(condition) AND service = ? AND account > ?
                ORDER BY account LIMIT 1
                """)
        let nextService = try db.cachedStatement(
            sql: """
                SELECT service, account FROM \(table) WHERE \(condition) AND service > ?
                ORDER BY service, account LIMIT 1
                """)
        func next(after last: AccountService?) throws -> Row? {
            guard let last else { return try Row.fetchOne(nextService, arguments: [""]) }
            return try Row.fetchOne(nextAccount, arguments: [last.service.text, last.account.text])
                ?? Row.fetchOne(nextService, arguments: [last.service.text])
        }
        var services: [AccountService] = []
        while let row = try next(after: services.last) {
            guard let service = ServiceName(row[0] as String) else {
                throw TaskStoreError.damaged("the service name \"\(row[0] as String)\" is invalid")
            }
            services.append(AccountService(service, of: AccountName(stored: row[1])))
        }
        return services
    }

    func due(
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
            db.cachedStatement(
                sql: """
                    SELECT task_key, id FROM task
                    WHERE service = ? AND account = ? AND state = \(state.literal) AND next_due_at_ms <= ?
                    ORDER BY next_due_at_ms LIMIT ?
                    """),
            binding: service.values + [ColumnValue(time), ColumnValue(limit + excluding.count)]
        ) { row in
            if !excluding.contains(row.id) { free.append(row.key) }
            return free.count >= limit
        }
        return try free.prefix(limit).compactMap { key in
            try TaskRow.fetchOne(
                prepared(.taskByKey, in: db, "SELECT \(TaskRow.columns) FROM task WHERE task_key = ?"),
                binding: .integer(key))?.task
        }
    }

    func earliest(_ time: TimeQuery) throws -> Timestamp? {
        let found =
            switch time {
            case .due(let state, let service):
                try Int64.fetchOne(
                    db.cachedStatement(
                        sql: """
                            SELECT MIN(next_due_at_ms) FROM task
                            WHERE service = ? AND account = ? AND state = \(state.literal) AND next_due_at_ms IS NOT NULL
                            """), arguments: [service.service.text, service.account.text])
            case .queued(let endpoint, let now):
                try Int64.fetchOne(
                    db.cachedStatement(
                        sql: """
                            SELECT MIN(next_due_at_ms) FROM task
                            WHERE endpoint = ? AND state = 'queued' AND next_due_at_ms > ?
                            """), arguments: [endpoint.text, now.milliseconds])
            case .deadline:
                try Int64.fetchOne(
                    db.cachedStatement(
                        sql: """
                            SELECT MIN(deadline_ms) FROM task
                            WHERE deadline_ms IS NOT NULL AND next_due_at_ms IS NOT NULL
                              AND +state IN ('queued', 'running')
                            """))
            case .givenUpReading(let service):
                try Int64.fetchOne(
                    db.cachedStatement(
                        sql: """
                            SELECT MIN(next_reading_at_ms) FROM given_up_attempt
                            WHERE service = ? AND account = ? AND next_reading_at_ms IS NOT NULL
                            """), arguments: [service.service.text, service.account.text])
            }
        return found.map(Timestamp.init(milliseconds:))
    }

    func tasks(in state: TaskState, limit: Int) throws -> [TrackedTask] {
        try tasks("state = \(state.literal) ORDER BY task_key LIMIT ?", [ColumnValue(limit)])
    }

    func overdue(at now: Timestamp, limit: Int) throws -> [TrackedTask] {
        try tasks(
            """
            deadline_ms <= ? AND next_due_at_ms IS NOT NULL AND +state IN ('queued', 'running')
            ORDER BY deadline_ms LIMIT ?
            """, [ColumnValue(now), ColumnValue(limit)])
    }

    private func tasks(_ condition: String, _ values: [ColumnValue]) throws -> [TrackedTask] {
        try TaskRow.fetchAll(
            db.cachedStatement(sql: "SELECT \(TaskRow.columns) FROM task WHERE \(condition)"), binding: values
        ).map(\.task)
    }
}

extension AccountService {
    /// The values of the columns `service` and `account`.
    var values: [ColumnValue] { [.text(service.text), .text(account.text)] }
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
