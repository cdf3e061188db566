package import TaskModel
package import TaskStore

/// Reads and writes callback tokens and the bodies of deliveries.
extension SQLTransaction {
    package func tokens(_ digests: [CallbackDigest]) throws -> [TokenRow] {
        try TokenRow.fetchAll(
            connection,
            """
            SELECT \(TaskRow.columns(in: dialect)), token.attempt, token.deliveries, token.had_final, token.digest
            FROM callback_token AS token JOIN task USING (task_key) WHERE token.digest = ?
            """, each: digests.map { [.blob($0.bytes)] })
    }

    package func insert(_ tokens: [NewToken]) throws {
        for token in tokens {
            try connection.execute(
                "INSERT INTO callback_token (digest, task_key, attempt) VALUES (?, ?, ?)",
                [.blob(token.digest.bytes), .integer(token.key), ColumnValue(token.attempt)])
        }
    }

    package func count(_ deliveries: [CountedDelivery]) throws {
        for delivery in deliveries {
            try connection.execute(
                """
                UPDATE callback_token SET deliveries = deliveries + 1, had_final = had_final | ?
                WHERE task_key = ? AND attempt = ?
                """, [ColumnValue(delivery.isFinal), .integer(delivery.key), ColumnValue(delivery.attempt)])
        }
    }

    package func bodies(of ids: [TaskID]) throws -> [(body: DeliveredBody, latestIsFinal: Bool)] {
        try BodyRow.fetchAll(
            connection,
            """
            SELECT task_key, is_success, body, EXISTS (
              SELECT 1 FROM callback_token AS token
              WHERE token.task_key = task.task_key AND token.attempt = task.attempts AND token.had_final = 1)
            FROM task JOIN callback_body USING (task_key) WHERE id = ?
            """, each: ids.map { [.text($0.text)] }
        ).map { ($0.body, $0.latestIsFinal) }
    }

    package func put(_ bodies: [DeliveredBody]) throws {
        for body in bodies {
            try connection.execute(
                """
                INSERT INTO callback_body (task_key, is_success, body) VALUES (?, ?, ?)
                ON CONFLICT (task_key) DO UPDATE SET is_success = excluded.is_success, body = excluded.body
                """, [.integer(body.key), ColumnValue(body.isSuccess), .text(body.body)])
        }
    }

    package func dropBodies(of keys: [Int64]) throws {
        for key in keys {
            try connection.execute("DELETE FROM callback_body WHERE task_key = ?", [.integer(key)])
        }
    }
}

extension TokenRow: ColumnDecodable {
    package init(_ columns: inout ColumnReader) throws {
        let owner = CallbackOwner(
            task: try TaskRow(&columns).task, attempt: columns(), deliveries: columns(), hadFinal: columns())
        guard let digest = CallbackDigest(columns() as [UInt8]) else {
            throw TaskStoreError.damaged("a callback token cannot be read")
        }
        self.init(digest: digest, owner: owner)
    }
}

/// A body, and whether a delivery to the latest attempt of the task reported its end.
private struct BodyRow: ColumnDecodable {
    let body: DeliveredBody
    let latestIsFinal: Bool

    init(_ next: inout ColumnReader) throws {
        body = DeliveredBody(key: next(), isSuccess: next(), body: next())
        latestIsFinal = next()
    }
}
