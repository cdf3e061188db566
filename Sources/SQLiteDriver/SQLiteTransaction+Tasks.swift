import GRDB
import SQLiteRaw
import TaskModel
import TaskStore

/// Reads and writes rows of tasks, their documents and idempotency keys.
extension SQLiteTransaction {
    func tasks(_ ids: [TaskID]) throws -> [TaskRow] {
        try ids.compactMap { id in
            try TaskRow.fetchOne(
                prepared(.taskByID, in: db, "SELECT \(TaskRow.columns) FROM task WHERE id = ?"),
                binding: .text(id.text))
        }
    }

    func texts(of ids: [TaskID], _ scope: DocumentScope) throws -> [TaskTexts] {
        switch scope {
        case .all:
            return try ids.compactMap { id in
                try TaskTexts.fetchOne(
                    prepared(
                        .taskWithPayload, in: db,
                        """
                        SELECT \(TaskRow.columns), request, response, part_bytes
                        FROM task LEFT JOIN task_payload USING (task_key) WHERE id = ?
                        """), binding: .text(id.text))
            }
        case .requestOnly:
            return try ids.compactMap { id in
                try TaskTexts.fetchOne(
                    db.cachedStatement(
                        sql: """
                            SELECT \(TaskRow.columns), request, NULL AS response, NULL AS part_bytes
                            FROM task JOIN task_payload USING (task_key) WHERE id = ?
                            """), binding: .text(id.text))
            }
        case .upTo(let bytes):
            return try ids.compactMap { id in
                try TaskTexts.fetchOne(
                    db.cachedStatement(
                        sql: """
                            SELECT \(TaskRow.columns), request,
                              CASE WHEN LENGTH(response) <= ?2 THEN response END AS response,
                              NULL AS part_bytes
                            FROM task JOIN task_payload USING (task_key) WHERE id = ?1 AND LENGTH(request) <= ?2
                            """), binding: .text(id.text), ColumnValue(bytes))
            }
        }
    }

    func insert(_ tasks: [NewTaskRow]) throws -> [Int64] {
        try tasks.map { new in
            let task = new.task
            try prepared(.insertTask, in: db, Self.insertion).execute(
                binding: TaskRow.fixedValues(of: task)
                    + TaskRow.mutableValues(of: task, recordDigest: new.record?.digest))
            let key = db.lastInsertedRowID
            try db.cachedStatement(sql: "INSERT INTO task_payload (task_key, request, response) VALUES (?, ?, ?)")
                .execute(binding: .integer(key), .text(new.request), ColumnValue(new.record?.text))
            for (name, value) in task.labels {
                try db.cachedStatement(sql: "INSERT INTO task_label (task_key, name, value) VALUES (?, ?, ?)")
                    .execute(binding: .integer(key), .text(name), .text(value))
            }
            return key
        }
    }

    private static let insertion: String = {
        let names = TaskRow.fixedColumns + TaskRow.mutableColumns
        let marks = repeatElement("?", count: names.count).joined(separator: ", ")
        return "INSERT INTO task (\(names.joined(separator: ", "))) VALUES (\(marks))"
    }()

    func update(_ tasks: [TaskUpdate]) throws {
        for update in tasks {
            try write(update)
            if let record = update.record {
                // What has no digest has no parts either.
                if update.before.recordDigest != nil { try dropParts(of: update.before.key) }
                try db.cachedStatement(sql: "UPDATE task_payload SET response = ?, part_bytes = ? WHERE task_key = ?")
                    .execute(binding: .text(record.text), ColumnValue(record.partBytes), .integer(update.before.key))
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
        let statement = try prepared(
            .updateTask(columns: changed.reduce(0) { $0 | 1 << UInt64($1) }, from: row.task.state), in: db,
            """
            UPDATE task SET \(changed.map { TaskRow.mutableColumns[$0] + " = ?" }.joined(separator: ", "))
            WHERE task_key = ? AND state = \(row.task.state.literal)
            """)
        try statement.execute(binding: changed.map { after[$0] } + [.integer(row.key)])
        precondition(db.changesCount == 1, "a row changed inside our own transaction")
    }

    func keys(_ keys: [String]) throws -> [KeyRow] {
        try keys.compactMap { key in
            try KeyRow.fetchOne(
                db.cachedStatement(
                    sql: "SELECT key, id, fingerprint FROM idempotency_key JOIN task USING (task_key) WHERE key = ?"),
                binding: .text(key))
        }
    }

    func insert(_ keys: [NewKey]) throws {
        for key in keys {
            try db.cachedStatement(sql: "INSERT INTO idempotency_key (task_key, key, fingerprint) VALUES (?, ?, ?)")
                .execute(binding: .integer(key.task), .text(key.key), .blob(key.fingerprint))
        }
    }

    func holders(of ids: [RemoteTaskID], service: ServiceName) throws -> [RemoteIDHolder] {
        try ids.flatMap { id in
            try RemoteIDHolder.fetchAll(
                db.cachedStatement(
                    sql: """
                        SELECT remote_id, id, 0, state, attempts, failure_code, resolution FROM task
                        WHERE service = ? AND remote_id = ? ORDER BY task_key DESC
                        """), binding: [.text(service.text), .text(id.text)])
                + RemoteIDHolder.fetchAll(
                    db.cachedStatement(
                        sql: """
                            SELECT attempt.remote_id, task.id, 1, state, attempts, failure_code, resolution
                            FROM given_up_attempt AS attempt JOIN task USING (task_key)
                            WHERE attempt.service = ? AND attempt.remote_id = ?
                            """), binding: [.text(service.text), .text(id.text)])
        }
    }
}

extension KeyRow: ColumnDecodable {
    init(_ next: inout ColumnReader) throws {
        let key: String = next()
        guard let task = next.taskID() else { throw TaskStoreError.damaged("a key has no task") }
        self.init(key: key, task: task, fingerprint: next())
    }
}

extension RemoteIDHolder: ColumnDecodable {
    init(_ next: inout ColumnReader) throws {
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
