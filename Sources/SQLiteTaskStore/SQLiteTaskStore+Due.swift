import GRDB
package import TaskModel
package import TaskStore

extension SQLiteTaskStore {
    package func counts() async throws(TaskStoreError) -> [TaskCount] {
        try await readOnce { db in
            let rows = try Row.fetchAll(
                db.cachedStatement(sql: "SELECT state, endpoint, count FROM task_count WHERE count > 0"))
            return rows.compactMap { row in
                guard let endpoint = EndpointName(row["endpoint"]), let state = TaskState(rawValue: row["state"]) else {
                    return nil
                }
                return TaskCount(endpoint: endpoint, state: state, count: row["count"])
            }
        }
    }

    package func endpointsWithQueue() async throws(TaskStoreError) -> [EndpointName] {
        try await readOnce { db in
            // Hops from one endpoint to the next in the index, instead of reading every queued task.
            try String.fetchAll(
                db.cachedStatement(
                    sql: """
                        WITH RECURSIVE found (name) AS (
                          SELECT MIN(endpoint) FROM task WHERE state = 'queued'
                          UNION ALL
                          SELECT (SELECT MIN(endpoint) FROM task WHERE state = 'queued' AND endpoint > name)
                          FROM found WHERE name IS NOT NULL
                        )
                        SELECT name FROM found WHERE name IS NOT NULL
                        """)
            ).compactMap { EndpointName($0) }
        }
    }

    package func queued(
        on endpoint: EndpointName, at now: Timestamp, limit: Int
    ) async throws(TaskStoreError) -> [TrackedTask] {
        try await readOnce { db in
            // A few that may go now are sorted; of many the index on the order of going is read until there are enough.
            // SQLite cannot know which: either way is slow for the other case, where most wait for a time to come or
            // where most may go.
            let ready = try Int.fetchOne(
                db.cachedStatement(
                    sql: """
                        SELECT COUNT(*) FROM (
                          SELECT 1 FROM task WHERE endpoint = ? AND state = 'queued' AND next_due_at_ms <= ? LIMIT ?)
                        """), arguments: [endpoint.text, now.milliseconds, Self.fewReady])
            let due = ready == Self.fewReady ? "+next_due_at_ms" : "next_due_at_ms"
            return try Self.tasks(
                """
                endpoint = ? AND state = 'queued' AND \(due) <= ? AND (deadline_ms IS NULL OR deadline_ms > ?)
                ORDER BY priority DESC, task_key LIMIT ?
                """, [.text(endpoint.text), ColumnValue(now), ColumnValue(now), ColumnValue(limit)], in: db)
        }
    }

    private static let fewReady = 200

    package func nextQueued(
        on endpoint: EndpointName, after now: Timestamp
    ) async throws(TaskStoreError) -> Timestamp? {
        try await readOnce { db in
            try Int64.fetchOne(
                db.cachedStatement(
                    sql: """
                        SELECT MIN(next_due_at_ms) FROM task
                        WHERE endpoint = ? AND state = 'queued' AND next_due_at_ms > ?
                        """), arguments: [endpoint.text, now.milliseconds]
            ).map(Timestamp.init(milliseconds:))
        }
    }

    package func inFlight(
        in states: [TaskState], of service: String, upTo most: Int
    ) async throws(TaskStoreError) -> Int {
        try await readOnce { db in
            let list = states.map { "'\($0.rawValue)'" }.joined(separator: ", ")
            return try Int.fetchOne(
                db.cachedStatement(
                    sql: """
                        SELECT COUNT(*) FROM (
                          SELECT 1 FROM task
                          WHERE service = ? AND state IN (\(list)) AND next_due_at_ms IS NOT NULL LIMIT ?
                        )
                        """), arguments: [service, max(most, 0)]) ?? 0
        }
    }

    package func services(in state: TaskState) async throws(TaskStoreError) -> [String] {
        try await readOnce { db in try Self.services(in: state, from: db) }
    }

    private static func services(in state: TaskState, from db: Database) throws -> [String] {
        // Hops from one to the next in the index; that there is a due time is said so that the partial one can be used.
        let next = try db.cachedStatement(
            sql: """
                SELECT MIN(service) FROM task
                WHERE state = \(state.literal) AND next_due_at_ms IS NOT NULL AND service > ?
                """)
        var services: [String] = []
        while let service = try String.fetchOne(next, arguments: [services.last ?? ""]) { services.append(service) }
        return services
    }

    package func due(
        in state: TaskState, of service: String, by time: Timestamp, excluding: Set<TaskID>, limit: Int
    ) async throws(TaskStoreError) -> [TrackedTask] {
        guard !excluding.isEmpty else {
            return try await readOnce { db in
                try Self.tasks(
                    "service = ? AND state = \(state.literal) AND next_due_at_ms <= ? ORDER BY next_due_at_ms LIMIT ?",
                    [.text(service), ColumnValue(time), ColumnValue(limit)], in: db)
            }
        }
        // Of the first so many no more than that are left out; only the others' rows are read whole.
        return try await read { db, prepared in
            var free: [Int64] = []
            _ = try DueRow.fetch(
                db.cachedStatement(
                    sql: """
                        SELECT task_key, id FROM task
                        WHERE service = ? AND state = \(state.literal) AND next_due_at_ms <= ? ORDER BY next_due_at_ms
                        LIMIT ?
                        """),
                binding: [.text(service), ColumnValue(time), ColumnValue(limit + excluding.count)]
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
    }

    package func nextDue(in state: TaskState, of service: String) async throws(TaskStoreError) -> Timestamp? {
        try await readOnce { db in
            try Int64.fetchOne(
                db.cachedStatement(
                    sql: """
                        SELECT MIN(next_due_at_ms) FROM task
                        WHERE service = ? AND state = \(state.literal) AND next_due_at_ms IS NOT NULL
                        """), arguments: [service]
            ).map(Timestamp.init(milliseconds:))
        }
    }

    package func tasks(in state: TaskState, limit: Int) async throws(TaskStoreError) -> [TrackedTask] {
        try await readOnce { db in
            try Self.tasks("state = \(state.literal) ORDER BY task_key LIMIT ?", [ColumnValue(limit)], in: db)
        }
    }

    package func bringForward(
        in state: TaskState, dueAfter latest: Timestamp, to now: Timestamp
    ) async throws(TaskStoreError) -> Int {
        try await write { db in
            // Service by service: the index has the due times in order within each, so that only what is changed is read.
            var count = 0
            // What a person wants no earlier stays where the person put it.
            let due = state == .queued ? "MAX(?1, COALESCE(not_before_ms, ?1))" : "?1"
            let condition = state == .queued ? "AND (not_before_ms IS NULL OR not_before_ms < next_due_at_ms)" : ""
            for service in try Self.services(in: state, from: db) {
                try db.cachedStatement(
                    sql: """
                        UPDATE task SET next_due_at_ms = \(due)
                        WHERE state = \(state.literal) AND service = ?2 AND next_due_at_ms > ?3 \(condition)
                        """
                ).execute(arguments: [now.milliseconds, service, latest.milliseconds])
                count += db.changesCount
            }
            return count
        }
    }

    package func acceptedNeighbours(
        of id: TaskID, within span: Duration, limit: Int, maxBytes: Int
    ) async throws(TaskStoreError) -> [StoredTask] {
        try await read { db, prepared in
            guard let row = try Self.row(of: id, in: db, prepared), let start = row.task.attempt?.startedAt else {
                return []
            }
            func distance(_ task: TrackedTask) -> Double { abs(((task.submittedAt ?? start) - start).inSeconds) }
            // Of two thousand on either side: nearness in the order of arrival is nearness in time, nearly.
            let period = [ColumnValue(start - span), ColumnValue(start + span)]
            let near = try ["task_key < ? ORDER BY task_key DESC", "task_key > ? ORDER BY task_key"].flatMap { side in
                try TaskRow.fetchAll(
                    db.cachedStatement(
                        sql: """
                            SELECT \(TaskRow.columns)
                            FROM (SELECT * FROM task WHERE endpoint = ? AND \(side) LIMIT 2000) AS task
                            WHERE remote_id IS NOT NULL AND attempts > 0 AND submitted_at_ms BETWEEN ? AND ? LIMIT 100
                            """),
                    binding: [.text(row.task.endpoint.text), .integer(row.key)] + period
                ).map(\.task)
            }
            let nearest = near.filter(\.wasSeenAccepted)
                .sorted { (distance($0), $0.id) < (distance($1), $1.id) }
            let statement = try db.cachedStatement(
                sql: """
                    SELECT \(TaskRow.columns), request, CASE WHEN LENGTH(response) <= ?2 THEN response END AS response
                    FROM task JOIN task_payload USING (task_key) WHERE id = ?1 AND LENGTH(request) <= ?2
                    """)
            return try nearest.prefix(limit).compactMap { task in
                try StoredTaskRow.fetchOne(statement, binding: .text(task.id.text), ColumnValue(maxBytes))?.stored
            }
        }
    }

    package func overdue(at now: Timestamp, limit: Int) async throws(TaskStoreError) -> [TrackedTask] {
        try await readOnce { db in
            try Self.tasks(
                """
                deadline_ms <= ? AND next_due_at_ms IS NOT NULL AND +state IN ('queued', 'running')
                ORDER BY deadline_ms LIMIT ?
                """, [ColumnValue(now), ColumnValue(limit)], in: db)
        }
    }

    package func nextDeadline() async throws(TaskStoreError) -> Timestamp? {
        try await readOnce { db in
            try Int64.fetchOne(
                db.cachedStatement(
                    sql: """
                        SELECT MIN(deadline_ms) FROM task
                        WHERE deadline_ms IS NOT NULL AND next_due_at_ms IS NOT NULL AND +state IN ('queued', 'running')
                        """)
            ).map(Timestamp.init(milliseconds:))
        }
    }

    private static func tasks(
        _ condition: String, _ values: [ColumnValue], in db: Database
    ) throws -> [TrackedTask] {
        try TaskRow.fetchAll(
            db.cachedStatement(sql: "SELECT \(TaskRow.columns) FROM task WHERE \(condition)"), binding: values
        ).map(\.task)
    }
}

/// A task that is due, without what it is.
private struct DueRow: PositionalRow {
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
