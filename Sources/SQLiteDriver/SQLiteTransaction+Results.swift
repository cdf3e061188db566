import GRDB
import SQLiteRaw
import TaskStore

/// Reads and writes the results of tasks.
extension SQLiteTransaction {
    func results(of keys: [Int64]) throws -> [TaskResults] {
        try keys.map { key in
            let rows = try ResultRow.fetchAll(
                db.cachedStatement(
                    sql: """
                        SELECT kind, pointer, value, result.media_type, result.size_bytes, \(ArtefactRow.columns)
                        FROM task_result AS result
                        LEFT JOIN artefact ON artefact.task_key = result.task_key AND artefact.ordinal = result.ordinal
                        WHERE result.task_key = ? ORDER BY result.ordinal
                        """), binding: [.integer(key)])
            return TaskResults(key: key, rows: rows)
        }
    }

    func put(_ results: [TaskResults]) throws {
        for task in results {
            try db.cachedStatement(sql: "DELETE FROM task_result WHERE task_key = ?")
                .execute(binding: .integer(task.key))
            for (ordinal, row) in task.rows.enumerated() {
                try db.cachedStatement(
                    sql: """
                        INSERT INTO task_result (task_key, ordinal, kind, pointer, value, media_type, size_bytes)
                        VALUES (?, ?, ?, ?, ?, ?, ?)
                        """
                ).execute(
                    binding: .integer(task.key), ColumnValue(ordinal), .text(row.kind), .text(row.pointer),
                    ColumnValue(row.value), ColumnValue(row.mediaType), ColumnValue(row.sizeInBytes))
            }
        }
    }
}

extension ResultRow: ColumnDecodable {
    init(_ next: inout ColumnReader) throws {
        self.init(
            kind: next(), pointer: next(), value: next.optional(), mediaType: next.optional(),
            sizeInBytes: next.optional())
        artefact = try ArtefactRow.optional(&next)
    }
}
