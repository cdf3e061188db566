import GRDB
import SQLiteRaw
import TaskModel
import TaskStore

/// Reads and writes callback tokens and the bodies of deliveries.
extension SQLiteTransaction {
    func tokens(_ digests: [CallbackDigest]) throws -> [TokenRow] {
        try digests.compactMap { digest in
            try TokenRow.fetchOne(
                db.cachedStatement(
                    sql: """
                        SELECT \(TaskRow.columns), token.attempt, token.deliveries, token.had_final, token.digest
                        FROM callback_token AS token JOIN task USING (task_key) WHERE token.digest = ?
                        """), binding: .blob(digest.bytes))
        }
    }

    func insert(_ tokens: [NewToken]) throws {
        for token in tokens {
            try db.cachedStatement(sql: "INSERT INTO callback_token (digest, task_key, attempt) VALUES (?, ?, ?)")
                .execute(binding: .blob(token.digest.bytes), .integer(token.key), ColumnValue(token.attempt))
        }
    }

    func count(_ deliveries: [CountedDelivery]) throws {
        for delivery in deliveries {
            try db.cachedStatement(
                sql: """
                    UPDATE callback_token SET deliveries = deliveries + 1, had_final = max(had_final, ?)
                    WHERE task_key = ? AND attempt = ?
                    """
            ).execute(binding: ColumnValue(delivery.isFinal), .integer(delivery.key), ColumnValue(delivery.attempt))
        }
    }

    func bodies(of ids: [TaskID]) throws -> [(body: DeliveredBody, latestIsFinal: Bool)] {
        try ids.compactMap { id in
            try BodyRow.fetchOne(
                db.cachedStatement(
                    sql: """
                        SELECT task_key, is_success, body, EXISTS (
                          SELECT 1 FROM callback_token AS token
                          WHERE token.task_key = task.task_key AND token.attempt = task.attempts AND token.had_final)
                        FROM task JOIN callback_body USING (task_key) WHERE id = ?
                        """), binding: .text(id.text)
            ).map { ($0.body, $0.latestIsFinal) }
        }
    }

    func put(_ bodies: [DeliveredBody]) throws {
        for body in bodies {
            try db.cachedStatement(
                sql: """
                    INSERT INTO callback_body (task_key, is_success, body) VALUES (?, ?, ?)
                    ON CONFLICT (task_key) DO UPDATE SET is_success = excluded.is_success, body = excluded.body
                    """
            ).execute(binding: .integer(body.key), ColumnValue(body.isSuccess), .text(body.body))
        }
    }

    func dropBodies(of keys: [Int64]) throws {
        for key in keys {
            try db.cachedStatement(sql: "DELETE FROM callback_body WHERE task_key = ?").execute(binding: .integer(key))
        }
    }
}

extension TokenRow: ColumnDecodable {
    init(_ columns: inout ColumnReader) throws {
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
