package import TaskStore

/// Reads and writes the results of tasks.
extension SQLTransaction {
    package func results(of keys: [Int64]) throws -> [TaskResults] {
        let rows = try ResultRow.fetchGroups(
            connection,
            """
            SELECT kind, pointer, value, result.media_type, result.size_bytes, \(ArtefactRow.columns)
            FROM task_result AS result
            LEFT JOIN artefact ON artefact.task_key = result.task_key AND artefact.ordinal = result.ordinal
            WHERE result.task_key = ? ORDER BY result.ordinal
            """, each: keys.map { [.integer($0)] })
        return zip(keys, rows).map { TaskResults(key: $0, rows: $1) }
    }

    package func put(_ results: [TaskResults]) throws {
        for task in results {
            try connection.execute("DELETE FROM task_result WHERE task_key = ?", [.integer(task.key)])
            for (ordinal, row) in task.rows.enumerated() {
                try connection.execute(
                    """
                    INSERT INTO task_result (task_key, ordinal, kind, pointer, value, media_type, size_bytes)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                    [
                        .integer(task.key), ColumnValue(ordinal), .text(row.kind), .text(row.pointer),
                        ColumnValue(row.value), ColumnValue(row.mediaType), ColumnValue(row.sizeInBytes),
                    ])
            }
        }
    }
}

extension ResultRow: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws {
        self.init(
            kind: next(), pointer: next(), value: next.optional(), mediaType: next.optional(),
            sizeInBytes: next.optional())
        artefact = try ArtefactRow.optional(&next)
    }
}
