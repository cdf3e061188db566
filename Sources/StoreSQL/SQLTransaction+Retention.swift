package import TaskModel
package import TaskStore

/// Reads ended tasks and removes their details.
extension SQLTransaction {
    package func ended(_ query: EndedQuery) throws -> [TaskRow] {
        let start = query.after ?? (endedAt: Timestamp(milliseconds: .min), key: .min)
        return try TaskRow.fetchAll(
            connection,
            """
            SELECT \(TaskRow.columns(in: dialect)) FROM task \(dialect.indexed(by: "task_removable"))
            WHERE removed_parts < 4 AND is_pinned = 0 AND removed_parts = ?1 AND state = \(query.state.literal)
              AND ended_at_ms >= ?2 AND (ended_at_ms > ?2 OR task_key > ?3) AND ended_at_ms <= ?4
            ORDER BY ended_at_ms, task_key LIMIT ?5
            """,
            [
                ColumnValue(query.lacking.rawValue), ColumnValue(start.endedAt), .integer(start.key),
                ColumnValue(query.endedBy), ColumnValue(query.limit),
            ])
    }

    package func size(of parts: RemovedDetails.Parts, of keys: [Int64]) throws -> DetailSize {
        var size = DetailSize()
        func bytes(_ text: String) -> String { dialect.bytes(of: text) }
        func add(_ statement: SQLStatement) throws {
            for row in try SizeRow.fetchAll(connection, statement, each: keys.map { [.integer($0)] }) {
                size.events += row.lines
                size.bytes += row.bytes
            }
        }
        if parts.contains(.request) {
            try add("SELECT 0, \(bytes("request")) FROM task_payload WHERE task_key = ?")
            try add(
                "SELECT 0, LENGTH(query) + LENGTH(headers) + COALESCE(LENGTH(body), 0) FROM gateway_message WHERE task_key = ?"
            )
        }
        if parts.contains(.response) {
            try add(
                """
                SELECT 0, COALESCE(\(bytes("response")), 0) + COALESCE(part_bytes, 0)
                FROM task_payload WHERE task_key = ?
                """)
            try add(
                """
                SELECT 0, COALESCE(SUM(\(bytes("pointer")) + COALESCE(\(bytes("value")), 0)), 0)
                FROM task_result WHERE task_key = ?
                """)
            try add("SELECT 0, LENGTH(body) FROM gateway_reply WHERE task_key = ?")
        }
        if parts.contains(.events) {
            try add(
                "SELECT COUNT(*), COALESCE(SUM(\(bytes("detail")) + LENGTH(kind)), 0) FROM event WHERE task_key = ?"
            )
        }
        return size
    }

    package func stubs(_ query: StubQuery) throws -> [TaskRow] {
        let start = query.after ?? (endedAt: Timestamp(milliseconds: .min), key: .min)
        let parts = query.isKeyless ? RemovedDetails.Parts.all.union(.key) : .all
        return try TaskRow.fetchAll(
            connection,
            """
            SELECT \(TaskRow.columns(in: dialect)) FROM task \(dialect.indexed(by: "task_stub"))
            WHERE removed_parts >= 7 AND removed_parts = ?1
              AND ended_at_ms >= ?2 AND (ended_at_ms > ?2 OR task_key > ?3) AND ended_at_ms <= ?4
            ORDER BY ended_at_ms, task_key LIMIT ?5
            """,
            [
                ColumnValue(parts.rawValue), ColumnValue(start.endedAt), .integer(start.key),
                ColumnValue(query.endedBy), ColumnValue(query.limit),
            ])
    }

    package func idempotencyKeys(of keys: [Int64]) throws -> [String] {
        try String.fetchAll(
            connection, "SELECT key FROM idempotency_key WHERE task_key = ?", each: keys.map { [.integer($0)] })
    }

    package func daemonLines(by time: Timestamp, limit: Int) throws -> [Int64] {
        try Int64.fetchAll(
            connection, "SELECT sequence FROM event WHERE task_key IS NULL AND at_ms <= ? ORDER BY sequence LIMIT ?",
            [ColumnValue(time), ColumnValue(limit)])
    }

    package func oldestLines(of key: Int64, kinds: [String], limit: Int) throws -> [Int64] {
        let marks = repeatElement("?", count: kinds.count).joined(separator: ", ")
        return try Int64.fetchAll(
            connection,
            "SELECT sequence FROM event WHERE task_key = ? AND kind IN (\(marks)) ORDER BY sequence LIMIT ?",
            [.integer(key)] + kinds.map { .text($0) } + [ColumnValue(limit)])
    }

    package func removeDetails(_ parts: RemovedDetails.Parts, of keys: [Int64]) throws -> Int64? {
        let last = parts.contains(.events) ? try lastLine(of: keys) : nil
        if parts.contains(.response), !parts.contains(.request) { try removeResponses(of: keys) }
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
                try connection.execute(
                    """
                    DELETE FROM given_up_attempt
                    WHERE task_key = ? AND \(dialect.unindexed("remote_id", isText: true)) IS NULL
                    """, [.integer(key)])
            }
            if parts.contains(.response) { try remove(.integer(key), from: ["task_result", "gateway_reply"]) }
            if parts.contains(.events) { try remove(.integer(key), from: ["event"]) }
        }
        return last
    }

    /// Deletes the rows and inserts them without the responses. A row that is shortened in place leaves its page half
    /// empty in SQLite, and pages of old tasks get no new rows. After a deletion SQLite merges pages.
    private func removeResponses(of keys: [Int64]) throws {
        let requests = try String.fetchGroups(
            connection, "SELECT request FROM task_payload WHERE task_key = ?", each: keys.map { [.integer($0)] })
        for (key, request) in zip(keys, requests.map(\.first)) {
            guard let request else { continue }
            try remove(.integer(key), from: ["task_payload"])
            try connection.execute(
                "INSERT INTO task_payload (task_key, request) VALUES (?, ?)", [.integer(key), .text(request)])
        }
    }

    private func remove(_ key: ColumnValue, from tables: [String]) throws {
        for table in tables {
            try connection.execute("DELETE FROM \(table) WHERE task_key = ?", [key])
        }
    }

    /// The place of the last line of the log about these tasks.
    private func lastLine(of keys: [Int64]) throws -> Int64? {
        try PlaceRow.fetchAll(
            connection, "SELECT MAX(sequence) FROM event WHERE task_key = ?", each: keys.map { [.integer($0)] }
        ).compactMap(\.sequence).max()
    }

    package func dropKeys(of keys: [Int64]) throws {
        for key in keys { try remove(.integer(key), from: ["idempotency_key"]) }
    }

    package func removeTasks(_ keys: [Int64]) throws -> Int64? {
        let last = try lastLine(of: keys)
        // Foreign keys delete the other rows, and a trigger updates the count.
        for key in keys { try remove(.integer(key), from: ["task"]) }
        return last
    }

    package func dropLines(_ sequences: [Int64]) throws {
        for sequence in sequences {
            try connection.execute("DELETE FROM event WHERE sequence = ?", [.integer(sequence)])
        }
    }

    package func dropTokens(of key: Int64, upToAttempt number: Int) throws {
        try connection.execute(
            "DELETE FROM callback_token WHERE task_key = ? AND attempt <= ?", [.integer(key), ColumnValue(number)])
    }
}

private struct PlaceRow: ColumnDecodable {
    let sequence: Int64?

    init(_ next: inout ColumnReader) throws { sequence = next.optional() }
}

private struct SizeRow: ColumnDecodable {
    let lines: Int
    let bytes: Int64

    init(_ next: inout ColumnReader) throws { (lines, bytes) = (next(), next()) }
}
