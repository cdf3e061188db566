package import TaskModel
package import TaskStore

/// Reads and writes rows of tasks, their documents and idempotency keys.
extension SQLTransaction {
    package func tasks(_ ids: [TaskID]) throws -> [TaskRow] {
        try TaskRow.fetchAll(
            connection, .keyed(.taskByID) { "SELECT \(TaskRow.columns(in: $0)) FROM task WHERE id = ?" },
            each: ids.map { [.text($0.text)] })
    }

    package func texts(of ids: [TaskID], _ scope: DocumentScope) throws -> [TaskTexts] {
        switch scope {
        case .all:
            try TaskTexts.fetchAll(
                connection,
                .keyed(.taskWithPayload) { dialect in
                    """
                    SELECT \(TaskRow.columns(in: dialect)), request, response, part_bytes
                    FROM task LEFT JOIN task_payload USING (task_key) WHERE id = ?
                    """
                }, each: ids.map { [.text($0.text)] })
        case .requestOnly:
            try TaskTexts.fetchAll(
                connection,
                """
                SELECT \(TaskRow.columns(in: dialect)), request, NULL AS response, NULL AS part_bytes
                FROM task JOIN task_payload USING (task_key) WHERE id = ?
                """, each: ids.map { [.text($0.text)] })
        case .upTo(let bytes):
            try TaskTexts.fetchAll(
                connection,
                """
                SELECT \(TaskRow.columns(in: dialect)), request,
                  CASE WHEN LENGTH(response) <= CAST(?2 AS BIGINT) THEN response END AS response,
                  NULL AS part_bytes
                FROM task JOIN task_payload USING (task_key) WHERE id = ?1 AND LENGTH(request) <= CAST(?2 AS BIGINT)
                """, each: ids.map { [.text($0.text), ColumnValue(bytes)] })
        }
    }

    package func insert(_ tasks: [NewTaskRow]) throws -> [Int64] {
        let keys = try connection.insert(
            .keyed(.insertTask) { dialect in
                dialect.insertion(
                    into: "task", key: "task_key", columns: TaskRow.fixedColumns + TaskRow.mutableColumns)
            }, numberedBy: .task,
            each: tasks.map { new in
                TaskRow.fixedValues(of: new.task)
                    + TaskRow.mutableValues(of: new.task, recordDigest: new.record?.digest)
            })
        for (key, new) in zip(keys, tasks) {
            try connection.execute(
                "INSERT INTO task_payload (task_key, request, response) VALUES (?, ?, ?)",
                [.integer(key), .text(new.request), ColumnValue(new.record?.text)])
            for (name, value) in new.task.labels {
                try connection.execute(
                    "INSERT INTO task_label (task_key, name, value) VALUES (?, ?, ?)",
                    [.integer(key), .text(name), .text(value)])
            }
        }
        return keys
    }

    package func update(_ tasks: [TaskUpdate]) throws {
        for update in tasks {
            try write(update)
            if let record = update.record {
                // What has no digest has no parts either.
                if update.before.recordDigest != nil { try dropParts(of: update.before.key) }
                try connection.execute(
                    "UPDATE task_payload SET response = ?, part_bytes = ? WHERE task_key = ?",
                    [.text(record.text), ColumnValue(record.partBytes), .integer(update.before.key)])
                try insert(record.parts, of: update.before.key)
            }
        }
    }

    /// Writes the columns that changed, if the task is still in the state that the change starts from.
    private func write(_ update: TaskUpdate) throws {
        let row = update.before
        let before = TaskRow.mutableValues(of: row.task, recordDigest: row.recordDigest)
        let after = TaskRow.mutableValues(of: update.task, recordDigest: update.recordDigest)
        let changed = after.indices.filter { before[$0] != after[$0] }
        guard !changed.isEmpty else { return }
        let state = row.task.state
        let statement = SQLStatement.keyed(
            .updateTask(columns: changed.reduce(0) { $0 | 1 << UInt64($1) }, from: state)
        ) { dialect in
            """
            UPDATE task SET \(changed.map { TaskRow.mutableColumns[$0] + " = ?" }.joined(separator: ", "))
            WHERE task_key = ? AND \(dialect.unindexed("state", isText: true)) = \(state.literal)
            """
        }
        try connection.execute(statement, changed.map { after[$0] } + [.integer(row.key)], changing: 1)
    }

    package func keys(_ keys: [String]) throws -> [KeyRow] {
        try KeyRow.fetchAll(
            connection,
            "SELECT key, id, fingerprint FROM idempotency_key JOIN task USING (task_key) WHERE key = ?",
            each: keys.map { [.text($0)] })
    }

    package func insert(_ keys: [NewKey]) throws {
        for key in keys {
            try connection.execute(
                "INSERT INTO idempotency_key (task_key, key, fingerprint) VALUES (?, ?, ?)",
                [.integer(key.task), .text(key.key), .blob(key.fingerprint)])
        }
    }

    package func holders(of ids: [RemoteTaskID], service: ServiceName) throws -> [RemoteIDHolder] {
        let values = ids.map { [ColumnValue.text(service.text), .text($0.text)] }
        let tasks = try RemoteIDHolder.fetchGroups(
            connection,
            """
            SELECT remote_id, id, 0, state, attempts, failure_code, resolution FROM task
            WHERE service = ? AND remote_id = ? ORDER BY task_key DESC
            """, each: values)
        let attempts = try RemoteIDHolder.fetchGroups(
            connection,
            """
            SELECT attempt.remote_id, task.id, 1, state, attempts, failure_code, resolution
            FROM given_up_attempt AS attempt JOIN task USING (task_key)
            WHERE attempt.service = ? AND attempt.remote_id = ?
            """, each: values)
        return zip(tasks, attempts).flatMap { $0 + $1 }
    }
}

extension KeyRow: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws {
        let key: String = next()
        guard let task = next.taskID() else { throw TaskStoreError.damaged("a key has no task") }
        self.init(key: key, task: task, fingerprint: next())
    }
}

extension RemoteIDHolder: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws {
        let remoteID = RemoteTaskID(next())
        let task = next.taskID()
        let isAttempt: Bool = next()
        guard let remoteID, let task, let state = TaskState(rawValue: next()) else {
            throw TaskStoreError.damaged("the owner of a remote id cannot be read")
        }
        self.init(
            remoteID: remoteID, task: task, isAttempt: isAttempt, state: state, attempts: next(),
            failureCode: next.optional(), resolution: (next.optional() as String?).flatMap(Resolution.init(rawValue:)))
    }
}
