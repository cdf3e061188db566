import GRDB
import SQLiteRaw
import TaskModel
import TaskStore

/// Reads ended tasks and removes their details.
extension SQLiteTransaction {
    func ended(_ query: EndedQuery) throws -> [TaskRow] {
        let start = query.after ?? (endedAt: Timestamp(milliseconds: .min), key: .min)
        return try TaskRow.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT \(TaskRow.columns) FROM task INDEXED BY task_removable
                    WHERE removed_parts < 4 AND is_pinned = 0 AND removed_parts = ?1 AND state = \(query.state.literal)
                      AND ended_at_ms >= ?2 AND (ended_at_ms > ?2 OR task_key > ?3) AND ended_at_ms <= ?4
                    ORDER BY ended_at_ms, task_key LIMIT ?5
                    """),
            binding: [
                ColumnValue(query.lacking.rawValue), ColumnValue(start.endedAt), .integer(start.key),
                ColumnValue(query.endedBy), ColumnValue(query.limit),
            ])
    }

    func size(of parts: RemovedDetails.Parts, of keys: [Int64]) throws -> DetailSize {
        var size = DetailSize()
        func add(_ sql: String) throws {
            let statement = try db.cachedStatement(sql: sql)
            for key in keys {
                guard let row = try SizeRow.fetchOne(statement, binding: .integer(key)) else { continue }
                size.events += row.lines
                size.bytes += row.bytes
            }
        }
        if parts.contains(.request) {
            try add("SELECT 0, LENGTH(CAST(request AS BLOB)) FROM task_payload WHERE task_key = ?")
            try add(
                "SELECT 0, LENGTH(query) + LENGTH(headers) + IFNULL(LENGTH(body), 0) FROM gateway_message WHERE task_key = ?"
            )
        }
        if parts.contains(.response) {
            try add(
                """
                SELECT 0, IFNULL(LENGTH(CAST(response AS BLOB)), 0) + IFNULL(part_bytes, 0)
                FROM task_payload WHERE task_key = ?
                """)
            try add(
                """
                SELECT 0, IFNULL(SUM(LENGTH(CAST(pointer AS BLOB)) + IFNULL(LENGTH(CAST(value AS BLOB)), 0)), 0)
                FROM task_result WHERE task_key = ?
                """)
            try add("SELECT 0, LENGTH(body) FROM gateway_reply WHERE task_key = ?")
        }
        if parts.contains(.events) {
            try add(
                "SELECT COUNT(*), IFNULL(SUM(LENGTH(CAST(detail AS BLOB)) + LENGTH(kind)), 0) FROM event WHERE task_key = ?"
            )
        }
        return size
    }

    func stubs(_ query: StubQuery) throws -> [TaskRow] {
        let start = query.after ?? (endedAt: Timestamp(milliseconds: .min), key: .min)
        let parts = query.isKeyless ? RemovedDetails.Parts.all.union(.key) : .all
        return try TaskRow.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT \(TaskRow.columns) FROM task INDEXED BY task_stub
                    WHERE removed_parts >= 7 AND removed_parts = ?1
                      AND ended_at_ms >= ?2 AND (ended_at_ms > ?2 OR task_key > ?3) AND ended_at_ms <= ?4
                    ORDER BY ended_at_ms, task_key LIMIT ?5
                    """),
            binding: [
                ColumnValue(parts.rawValue), ColumnValue(start.endedAt), .integer(start.key),
                ColumnValue(query.endedBy), ColumnValue(query.limit),
            ])
    }

    func idempotencyKeys(of keys: [Int64]) throws -> [String] {
        try keys.compactMap { key in
            try String.fetchOne(
                db.cachedStatement(sql: "SELECT key FROM idempotency_key WHERE task_key = ?"), arguments: [key])
        }
    }

    func daemonLines(by time: Timestamp, limit: Int) throws -> [Int64] {
        try Int64.fetchAll(
            db.cachedStatement(
                sql: "SELECT sequence FROM event WHERE task_key IS NULL AND at_ms <= ? ORDER BY sequence LIMIT ?"),
            arguments: [time.milliseconds, limit])
    }

    func oldestLines(of key: Int64, kinds: [String], limit: Int) throws -> [Int64] {
        let marks = repeatElement("?", count: kinds.count).joined(separator: ", ")
        var arguments: StatementArguments = [key]
        arguments += StatementArguments(kinds)
        arguments += [limit]
        return try Int64.fetchAll(
            db.cachedStatement(
                sql: "SELECT sequence FROM event WHERE task_key = ? AND kind IN (\(marks)) ORDER BY sequence LIMIT ?"),
            arguments: arguments)
    }

    func removeDetails(_ parts: RemovedDetails.Parts, of keys: [Int64]) throws -> Int64? {
        var last: Int64?
        for key in keys {
            if !parts.isDisjoint(with: [.request, .response]) { try dropParts(of: key) }
            if parts.contains(.request) {
                try remove(
                    .integer(key),
                    from: [
                        "task_payload", "callback_token", "callback_body", "delivery", "gateway_message",
                        "gateway_exchange",
                    ])
                // Other attempts own a remote id and stay.
                try db.cachedStatement(sql: "DELETE FROM given_up_attempt WHERE task_key = ? AND remote_id IS NULL")
                    .execute(binding: .integer(key))
            } else if parts.contains(.response) {
                try removeResponse(of: key)
            }
            if parts.contains(.response) { try remove(.integer(key), from: ["task_result", "gateway_reply"]) }
            if parts.contains(.events) {
                if let line = try lastLine(of: key) { last = max(last ?? line, line) }
                try remove(.integer(key), from: ["event"])
            }
        }
        return last
    }

    /// Deletes the row and inserts it without the response. A row that is shortened in place leaves its page half
    /// empty, and pages of old tasks get no new rows. After a deletion SQLite merges pages.
    private func removeResponse(of key: Int64) throws {
        let request = try String.fetchOne(
            db.cachedStatement(sql: "SELECT request FROM task_payload WHERE task_key = ?"), arguments: [key])
        guard let request else { return }
        try remove(.integer(key), from: ["task_payload"])
        try db.cachedStatement(sql: "INSERT INTO task_payload (task_key, request) VALUES (?, ?)")
            .execute(binding: .integer(key), .text(request))
    }

    private func remove(_ key: ColumnValue, from tables: [String]) throws {
        for table in tables {
            try db.cachedStatement(sql: "DELETE FROM \(table) WHERE task_key = ?").execute(binding: key)
        }
    }

    private func lastLine(of key: Int64) throws -> Int64? {
        try Int64.fetchOne(
            db.cachedStatement(sql: "SELECT MAX(sequence) FROM event WHERE task_key = ?"), arguments: [key])
    }

    func dropKeys(of keys: [Int64]) throws {
        for key in keys { try remove(.integer(key), from: ["idempotency_key"]) }
    }

    func removeTasks(_ keys: [Int64]) throws -> Int64? {
        var last: Int64?
        for key in keys {
            if let line = try lastLine(of: key) { last = max(last ?? line, line) }
            // Foreign keys delete the other rows, and a trigger updates the count.
            try remove(.integer(key), from: ["task"])
        }
        return last
    }

    func dropLines(_ sequences: [Int64]) throws {
        for sequence in sequences {
            try db.cachedStatement(sql: "DELETE FROM event WHERE sequence = ?").execute(binding: .integer(sequence))
        }
    }

    func dropTokens(of key: Int64, upToAttempt number: Int) throws {
        try db.cachedStatement(sql: "DELETE FROM callback_token WHERE task_key = ? AND attempt <= ?")
            .execute(binding: .integer(key), ColumnValue(number))
    }
}

private struct SizeRow: ColumnDecodable {
    let lines: Int
    let bytes: Int64

    init(_ next: inout ColumnReader) throws { (lines, bytes) = (next(), next()) }
}
