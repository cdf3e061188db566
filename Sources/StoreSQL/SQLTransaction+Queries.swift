package import TaskModel
package import TaskStore
import VerbatimJSON

/// Reads lists of tasks and the log.
extension SQLTransaction {
    package func ids(withPrefix prefix: String, limit: Int) throws -> [TaskID] {
        // '~' sorts after every character of an id.
        try String.fetchAll(
            connection, "SELECT id FROM task WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            [.text(prefix), .text(prefix + "~"), ColumnValue(limit)]
        ).compactMap { TaskID($0) }
    }

    package func page(
        matching filter: TaskFilter, after cursor: PageCursor?, limit: Int, maxBytes: Int,
        with documents: ListedDocuments
    ) throws -> [TaskTexts] {
        let query = ListQuery(filter, in: dialect, after: cursor, limit: limit, with: documents)
        var bytes = 0
        return try TaskTexts.fetch(connection, query.statement, query.values) { row in
            bytes += row.bytes
            return bytes > maxBytes
        }
    }

    package func count(matching filter: TaskFilter, upTo limit: Int) throws -> Int {
        let query = ListQuery(counting: filter, in: dialect, upTo: limit)
        return Int(try connection.integer(query.statement, query.values) ?? 0)
    }

    package func labels(named name: String?, withPrefix prefix: String, limit: Int) throws -> [String] {
        // Each step seeks the next text in the index, so a text of a million tasks costs no more than a rare one.
        let (column, condition) = name == nil ? ("name", "") : ("value", "name = ?3 AND ")
        func next(_ comparison: String) -> String {
            "(SELECT \(column) FROM task_label WHERE \(condition)\(column) \(comparison) ORDER BY \(column) LIMIT 1)"
        }
        return try String.fetchAll(
            connection,
            """
            WITH RECURSIVE found (text) AS (
              SELECT \(next(">= ?1"))
              UNION ALL
              SELECT \(next("> found.text")) FROM found WHERE substr(found.text, 1, length(?1)) = ?1
            )
            SELECT text FROM found WHERE substr(text, 1, length(?1)) = ?1 LIMIT ?2
            """, [.text(prefix), ColumnValue(limit)] + (name.map { [.text($0)] } ?? []))
    }

    package func tasks(of endpoint: EndpointName, before key: Int64, limit: Int) throws -> [TaskRow] {
        try TaskRow.fetchAll(
            connection,
            """
            SELECT \(TaskRow.columns(in: dialect)) FROM task WHERE endpoint = ? AND task_key < ?
            ORDER BY task_key DESC LIMIT ?
            """, [.text(endpoint.text), .integer(key), ColumnValue(limit)])
    }

    package func events(of task: TaskID?, after sequence: Int64, limit: Int) throws -> [LogRow] {
        guard let task else {
            return try LogRow.fetchAll(
                connection,
                """
                SELECT sequence, id, at_ms, kind, from_state, to_state, detail
                FROM event LEFT JOIN task USING (task_key) WHERE sequence > ? ORDER BY sequence LIMIT ?
                """, [.integer(sequence), ColumnValue(limit)])
        }
        return try LogRow.fetchAll(
            connection,
            """
            SELECT sequence, ?1, at_ms, kind, from_state, to_state, detail FROM event
            WHERE task_key = (SELECT task_key FROM task WHERE id = ?1) AND sequence > ?2
            ORDER BY sequence LIMIT ?3
            """, [.text(task.text), .integer(sequence), ColumnValue(limit)])
    }

    package func lines(
        matching filter: EventFilter, after: Int64, through: Int64, limit: Int, maxBytes: Int
    ) throws -> [TaskLine] {
        let query = LinesQuery(filter, in: dialect, after: after, through: through, limit: limit)
        var bytes = 0
        return try TaskLine.fetch(connection, query.statement, query.values) { row in
            bytes += row.line.detail.utf8.count
            return bytes > maxBytes
        }
    }

    package func append(_ lines: [NewLogLine]) throws -> [Int64] {
        try connection.insert(
            .keyed(.insertEvent) { dialect in
                dialect.insertion(
                    into: "event", key: "sequence",
                    columns: ["task_key", "at_ms", "kind", "from_state", "to_state", "detail"])
            }, numberedBy: .event,
            each: lines.map { line in
                [
                    ColumnValue(line.key), ColumnValue(line.at), .text(line.kind), ColumnValue(line.from?.rawValue),
                    ColumnValue(line.to?.rawValue), .text(JSONValue.object(line.detail).text),
                ]
            })
    }
}

extension LogRow: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws {
        self.init(
            sequence: next(), task: (next.optional() as String?).flatMap { TaskID($0) },
            at: Timestamp(milliseconds: next()), kind: next(),
            from: (next.optional() as String?).flatMap(TaskState.init(rawValue:)),
            to: (next.optional() as String?).flatMap(TaskState.init(rawValue:)), detail: next())
    }
}

extension TaskLine: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws {
        self.init(line: try LogRow(&next), task: try TaskRow(&next).task)
    }
}

/// The statement that reads lines of the log with their tasks.
///
/// `CROSS JOIN` makes SQLite read the log in order. For single tasks it uses the log's index.
private struct LinesQuery {
    let statement: SQLStatement
    let values: [ColumnValue]

    init(_ filter: EventFilter, in dialect: SQLDialect, after: Int64, through: Int64, limit: Int) {
        var conditions = ["event.sequence > ?", "event.sequence <= ?"]
        var bound = [ColumnValue.integer(after), .integer(through)]
        func restrict(_ condition: String, to values: [JSONValue]) {
            guard !values.isEmpty else { return }
            conditions.append(condition)
            bound.append(.text(JSONValue.array(values).text))
        }
        restrict(
            "event.task_key IN (SELECT task_key FROM task WHERE \(dialect.isListed("id")))",
            to: filter.tasks.map { .string($0.text) })
        restrict(
            "\(dialect.isListed("event.to_state")) AND event.from_state IS DISTINCT FROM event.to_state",
            to: filter.states.map { .string($0.rawValue) })
        restrict(dialect.isListed("task.endpoint"), to: filter.endpoints.map { .string($0.text) })
        restrict(
            """
            NOT EXISTS (
              SELECT 1 FROM \(dialect.elements(named: "wanted")) LEFT JOIN task_label AS label
              ON label.task_key = event.task_key AND label.name = wanted.value ->> 0 AND label.value = wanted.value ->> 1
              WHERE label.task_key IS NULL)
            """, to: filter.labels.map { [dialect.element($0.key), dialect.element($0.value)] })
        statement = """
            SELECT event.sequence, task.id, event.at_ms, event.kind, event.from_state, event.to_state, event.detail,
              \(TaskRow.columns(in: dialect))
            FROM event \(filter.tasks.isEmpty ? "" : "\(dialect.indexed(by: "event_task")) ")CROSS JOIN task
            WHERE task.task_key = event.task_key AND \(conditions.joined(separator: " AND "))
            ORDER BY event.sequence LIMIT ?
            """
        values = bound + [ColumnValue(limit)]
    }
}

/// The statement of a list. It finds the keys in indexes, then reads the rows with their payloads.
///
/// Every restriction is optional. The text does not depend on the number of values of a restriction, so that few texts
/// are compiled.
private struct ListQuery {
    let statement: SQLStatement
    let values: [ColumnValue]

    init(
        _ filter: TaskFilter, in dialect: SQLDialect, after cursor: PageCursor?, limit: Int,
        with documents: ListedDocuments
    ) {
        let (conditions, bound) = Self.conditions(filter, in: dialect, after: cursor)
        func column(_ name: String, _ document: ListedDocuments) -> String {
            documents.contains(document) ? name : "NULL"
        }
        let payload = [
            column("request", .request), column("response", .response), column("part_bytes", .response),
        ].joined(separator: ", ")
        statement = """
            SELECT \(TaskRow.columns(in: dialect)), \(payload)
            FROM task\(documents.isDisjoint(with: [.request, .response]) ? "" : " LEFT JOIN task_payload USING (task_key)")
            WHERE task.task_key IN (
              SELECT task_key FROM task \(conditions) ORDER BY task_key DESC LIMIT ?
            )
            ORDER BY task.task_key DESC
            """
        values = bound + [ColumnValue(limit)]
    }

    /// Counts the tasks that the filter selects, at most `limit`.
    init(counting filter: TaskFilter, in dialect: SQLDialect, upTo limit: Int) {
        let (conditions, bound) = Self.conditions(filter, in: dialect, after: nil)
        statement = "SELECT count(*) FROM (SELECT 1 FROM task \(conditions) LIMIT ?) AS found"
        values = bound + [ColumnValue(limit)]
    }

    /// `WHERE` with all conditions, or nothing; and their values.
    private static func conditions(
        _ filter: TaskFilter, in dialect: SQLDialect, after cursor: PageCursor?
    ) -> (String, [ColumnValue]) {
        var conditions: [String] = []
        var bound: [ColumnValue] = []
        func restrict(_ condition: String, _ values: [ColumnValue]) {
            conditions.append(condition)
            bound += values
        }
        if let cursor { restrict("task_key < ?", [.integer(cursor.key)]) }
        /// One value is compared directly, so that SQLite can use the order of an index.
        func restrict(_ column: String, to values: [String]) {
            guard values.count != 1 else { return restrict("\(column) = ?", [.text(values[0])]) }
            guard !values.isEmpty else { return }
            restrict(dialect.isListed(column), [Self.list(values)])
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
            // Restricts the tasks with the first label to those that have all other labels.
            restrict(
                """
                NOT EXISTS (
                  SELECT 1 FROM \(dialect.elements(named: "wanted")) LEFT JOIN task_label AS label
                  ON label.task_key = task.task_key AND label.name = wanted.value ->> 0 AND label.value = wanted.value ->> 1
                  WHERE label.task_key IS NULL)
                """, [Self.list(labels.dropFirst().map { [dialect.element($0.key), dialect.element($0.value)] })])
        }
        if let after = filter.createdAfter { restrict("created_at_ms > ?", [ColumnValue(after)]) }
        if let before = filter.createdBefore { restrict("created_at_ms < ?", [ColumnValue(before)]) }
        if let isRetried = filter.isRetried {
            restrict(
                "\(isRetried ? "" : "NOT ")EXISTS (SELECT 1 FROM task AS retry WHERE retry.retry_of = task.id)", [])
        }
        if filter.isHeldByBudget { restrict("task_key IN (SELECT task_key FROM budget_hold)", []) }
        return (conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND "), bound)
    }

    private static func list(_ texts: [String]) -> ColumnValue { list(texts.map { .string($0) }) }
    private static func list(_ values: [JSONValue]) -> ColumnValue { .text(JSONValue.array(values).text) }
}
