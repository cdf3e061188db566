import FoundationEssentials
import GRDB
import TaskModel
package import TaskStore
import VerbatimJSON

extension SQLiteTaskStore {
    package func insert(_ submission: NewTask) async throws(TaskStoreError) -> Insertion {
        let writer = writer
        return try await write { db in try Self.insert(submission, by: writer, in: db) }
    }

    package func insert(_ submissions: [NewTask]) async throws(TaskStoreError) -> [Insertion] {
        guard !submissions.isEmpty else { return [] }
        let writer = writer
        return try await write { db in try submissions.map { try Self.insert($0, by: writer, in: db) } }
    }

    private static func insert(
        _ submission: NewTask, by writer: GroupCommit, in db: Database
    ) throws -> Insertion {
        if let key = submission.idempotencyKey, let use = try use(of: key, in: db) { return use }
        let task = submission.task
        if let deadline = task.deadline, deadline <= task.createdAt { return .tooLate }
        if let remoteID = task.remoteID,
            let owner = try owner(of: remoteID, service: task.endpoint.service, in: db)
        {
            return .remoteIDInUse(by: owner)
        }
        try insert(task, payload: submission.payload, by: writer, in: db)
        writer.counter.move(task.endpoint, from: nil, to: task.state)
        if let key = submission.idempotencyKey {
            try db.cachedStatement(
                sql: "INSERT INTO idempotency_key (key, task_id, fingerprint, created_at_ms) VALUES (?, ?, ?, ?)"
            ).execute(arguments: [key.key, task.id.text, blob(key.fingerprint), task.createdAt.milliseconds])
        }
        return .created
    }

    private static let insertion: String = {
        let names =
            [
                "id", "endpoint", "service", "priority", "on_uncertain", "created_at_ms", "not_before_ms", "model",
                "has_own_callback", "note",
            ]
            + TaskRow.mutableColumns
        let marks = repeatElement("?", count: names.count).joined(separator: ", ")
        return "INSERT INTO task (\(names.joined(separator: ", "))) VALUES (\(marks))"
    }()

    private static func insert(
        _ task: TrackedTask, payload: TaskPayload, by writer: GroupCommit, in db: Database
    ) throws {
        let fixed: [ColumnValue] = [
            .text(task.id.text), .text(task.endpoint.text), .text(task.endpoint.service), ColumnValue(task.priority),
            .text(task.onUncertain.rawValue), ColumnValue(task.createdAt), ColumnValue(task.notBefore),
            ColumnValue(task.model), ColumnValue(task.hasOwnCallback), ColumnValue(task.note),
        ]
        let response = payload.response.map(ResponseColumn.init)
        try writer.prepared(.insertTask, in: db, insertion)
            .execute(binding: fixed + TaskRow.mutableValues(of: task, responseDigest: response?.digest))
        let key = db.lastInsertedRowID
        try db.cachedStatement(sql: "INSERT INTO task_payload (task_key, request, response) VALUES (?, ?, ?)")
            .execute(binding: .integer(key), .text(payload.request.text), ColumnValue(response?.text))
        for (name, value) in task.labels {
            try db.cachedStatement(sql: "INSERT INTO task_label (task_key, name, value) VALUES (?, ?, ?)")
                .execute(arguments: [key, name, value])
        }
        let kind = task.remoteID == nil ? "created" : "tracked"
        var detail = JSONObject()
        detail["remote_id"] = task.remoteID.map { .string($0.text) }
        try append(
            TaskLogEntry(at: task.createdAt, kind: kind, from: nil, to: task.state, detail: detail), of: key, in: db)
    }

    private static func use(of key: NewTask.IdempotencyKey, in db: Database) throws -> Insertion? {
        let row = try Row.fetchOne(
            db.cachedStatement(sql: "SELECT task_id, fingerprint FROM idempotency_key WHERE key = ?"),
            arguments: [key.key])
        guard let row else { return nil }
        guard let id = TaskID(row["task_id"]) else { throw TaskStoreError.damaged("a key names no task") }
        return .keyInUse(by: id, sameBody: row["fingerprint"] == Data(key.fingerprint))
    }

    /// The task of the service that goes on, or ended, with a remote id. One whose id the provider had forgotten gives it up,
    /// so that it can be tracked again should it turn up; so does a tracked one that was cancelled, so that a lost task can
    /// adopt it.
    static func owner(of remoteID: RemoteTaskID, service: String, in db: Database) throws -> TaskID? {
        try String.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT id FROM task WHERE service = ? AND remote_id = ?
                    AND NOT (state = 'failed' AND failure_code = 'remote_task_not_found')
                    AND NOT (state = 'cancelled' AND attempts = 0)
                    ORDER BY task_key DESC LIMIT 1
                    """), arguments: [service, remoteID.text]
        ).flatMap { TaskID($0) }
    }

    /// Whether a remote id is only named by a person, or belongs to an attempt whose fate we saw; nil where neither.
    static func isOnlyNamed(_ remoteID: RemoteTaskID, service: String, in db: Database) throws -> Bool? {
        try Bool.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT MIN(is_only_named) FROM (
                      SELECT attempts = 0 OR resolution IS 'adopted' AS is_only_named FROM task
                      WHERE service = ?1 AND remote_id = ?2
                      UNION ALL
                      SELECT 0 FROM given_up_attempt WHERE service = ?1 AND remote_id = ?2)
                    """), arguments: [service, remoteID.text])
    }

    /// Appends a line to the log, in the transaction of the change that it tells of.
    static func append(_ entry: TaskLogEntry, of key: Int64, in db: Database) throws {
        try db.cachedStatement(
            sql: "INSERT INTO event (task_key, at_ms, kind, from_state, to_state, detail) VALUES (?, ?, ?, ?, ?, ?)"
        ).execute(
            binding: .integer(key), ColumnValue(entry.at), .text(entry.kind), ColumnValue(entry.from?.rawValue),
            .text(entry.to.rawValue), .text(JSONValue.object(entry.detail).text))
    }

    private static func blob(_ bytes: [UInt8]) -> DatabaseValue { Data(bytes).databaseValue }
}
