import GRDB
package import TaskModel
package import TaskStore
import VerbatimJSON

extension SQLiteTaskStore {
    package func task(_ id: TaskID) async throws(TaskStoreError) -> TrackedTask? {
        try await readOnce { db, prepared in try Self.row(of: id, in: db, prepared)?.task }
    }

    package func taskWithPayload(_ id: TaskID) async throws(TaskStoreError) -> StoredTask? {
        let row = try await readOnce { db, prepared in
            try StoredTaskRow.fetchOne(
                prepared(
                    .taskWithPayload, in: db,
                    """
                    SELECT \(TaskRow.columns), request, response
                    FROM task JOIN task_payload USING (task_key) WHERE id = ?
                    """), binding: .text(id.text))
        }
        guard let row else { return nil }
        do {
            // A long record is not read on the caller's thread, which may be one on which others wait.
            return row.bytes <= JSONValue.handledAtOnce ? try row.stored : try await Task { try row.stored }.value
        } catch {
            throw TaskStoreError(translating: error)
        }
    }

    package func task(service: String, remoteID: RemoteTaskID) async throws(TaskStoreError) -> TrackedTask? {
        try await read { db, prepared in
            try Self.owner(of: remoteID, service: service, in: db)
                .flatMap { try Self.row(of: $0, in: db, prepared)?.task }
        }
    }

    package func ids(withPrefix prefix: String, limit: Int) async throws(TaskStoreError) -> [TaskID] {
        try await readOnce { db in
            // '~' sorts behind every character of an id.
            try String.fetchAll(
                db.cachedStatement(sql: "SELECT id FROM task WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"),
                arguments: [prefix.lowercased(), prefix.lowercased() + "~", limit]
            ).compactMap { TaskID($0) }
        }
    }

    package func tasks(
        matching filter: TaskFilter, after cursor: PageCursor?, limit: Int
    ) async throws(TaskStoreError) -> TaskListing {
        try await readAside { db in
            let query = ListQuery(filter, after: cursor, limit: limit + 1)
            var bytes = 0
            let rows = try StoredTaskRow.fetch(db.cachedStatement(sql: query.sql), binding: query.values) { row in
                bytes += row.bytes
                return bytes > Self.mostBytesPerPage
            }
            let shown = rows.prefix(limit)
            let isWhole = rows.count <= limit && bytes <= Self.mostBytesPerPage
            return TaskListing(
                tasks: try shown.map { try $0.stored }, next: isWhole ? nil : shown.last.map { PageCursor(key: $0.key) }
            )
        }
    }

    /// A page ends before its limit once it has so much: results may stand in the records, as pictures of megabytes.
    private static let mostBytesPerPage = 16 << 20

    package func events(
        of id: TaskID, after sequence: Int64, limit: Int
    ) async throws(TaskStoreError) -> [StoredEvent] {
        try await readAside { db in
            let rows = try Row.fetchAll(
                db.cachedStatement(
                    sql: """
                        SELECT sequence, at_ms, kind, from_state, to_state, detail FROM event
                        WHERE task_key = (SELECT task_key FROM task WHERE id = ?) AND sequence > ?
                        ORDER BY sequence LIMIT ?
                        """), arguments: [id.text, sequence, limit])
            return try rows.map { row in
                guard let to = TaskState(rawValue: row["to_state"]) else {
                    throw TaskStoreError.damaged("an event cannot be read")
                }
                let entry = TaskLogEntry(
                    at: Timestamp(milliseconds: row["at_ms"]), kind: row["kind"],
                    from: (row["from_state"] as String?).flatMap(TaskState.init(rawValue:)), to: to,
                    detail: try JSONColumn.read(row["detail"]).object ?? JSONObject())
                return StoredEvent(sequence: row["sequence"], task: id, entry: entry)
            }
        }
    }

    package func facts() async throws(TaskStoreError) -> StoreFacts {
        let path = pool.path
        return try await readOnce { db in
            let pages = try Int64.fetchOne(
                db, sql: "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            return StoreFacts(path: path, sizeInBytes: (pages ?? 0) + DatabaseFile.size(of: path + "-wal"))
        }
    }
}

/// The statement of a list: first the keys, from indexes, then the rows with their payloads. Written out piece by piece, since every restriction is optional.
///
/// Its text does not depend on how many values a restriction has, since every text that was ever asked for stays compiled.
private struct ListQuery {
    let sql: String
    let values: [ColumnValue]

    init(_ filter: TaskFilter, after cursor: PageCursor?, limit: Int) {
        var conditions: [String] = []
        var bound: [ColumnValue] = []
        func restrict(_ condition: String, _ values: [ColumnValue]) {
            conditions.append(condition)
            bound += values
        }
        if let cursor { restrict("task_key < ?", [.integer(cursor.key)]) }
        /// One value is compared as it is, so that SQLite knows that an index gives its rows in order.
        func restrict(_ column: String, to values: [String]) {
            guard values.count != 1 else { return restrict("\(column) = ?", [.text(values[0])]) }
            guard !values.isEmpty else { return }
            restrict("\(column) IN (SELECT value FROM json_each(?))", [Self.list(values)])
        }
        restrict("state", to: filter.states.map(\.rawValue))
        restrict("endpoint", to: filter.endpoints.map(\.text))
        let labels = filter.labels.sorted { $0.key < $1.key }
        if let (name, value) = labels.first {
            restrict(
                "task_key IN (SELECT task_key FROM task_label WHERE name = ? AND value = ?)",
                [.text(name), .text(value)])
        }
        if labels.count > 1 {
            // Of those with the first label, the ones to which none of the others is missing.
            restrict(
                """
                NOT EXISTS (
                  SELECT 1 FROM json_each(?) AS wanted LEFT JOIN task_label AS label
                  ON label.task_key = task.task_key AND label.name = wanted.value ->> 0 AND label.value = wanted.value ->> 1
                  WHERE label.task_key IS NULL)
                """, [Self.list(labels.dropFirst().map { [.string($0.key), .string($0.value)] })])
        }
        if let after = filter.createdAfter { restrict("created_at_ms > ?", [ColumnValue(after)]) }
        if let before = filter.createdBefore { restrict("created_at_ms < ?", [ColumnValue(before)]) }
        sql = """
            SELECT \(TaskRow.columns), request, response FROM task JOIN task_payload USING (task_key)
            WHERE task.task_key IN (
              SELECT task_key FROM task
              \(conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND "))
              ORDER BY task_key DESC LIMIT ?
            )
            ORDER BY task.task_key DESC
            """
        values = bound + [ColumnValue(limit)]
    }

    private static func list(_ texts: [String]) -> ColumnValue { list(texts.map { .string($0) }) }
    private static func list(_ values: [JSONValue]) -> ColumnValue { .text(JSONValue.array(values).text) }
}
