import FoundationEssentials
import GRDB
package import TaskModel
package import TaskStore
package import VerbatimJSON

extension SQLiteTaskStore {
    package func owner(of digest: CallbackDigest) async throws(TaskStoreError) -> CallbackOwner? {
        try await readOnce { db in
            let found = try OwnerRow.fetchOne(
                db.cachedStatement(
                    sql: """
                        SELECT \(TaskRow.columns), token.attempt, token.deliveries, token.had_final, token.digest
                        FROM callback_token AS token JOIN task USING (task_key) WHERE token.digest = ?
                        """), binding: .blob(digest.bytes))
            // The index has compared bytes until they differed; what is said about a token rests on all of them.
            guard let found, found.digest == digest else { return nil }
            return found.owner
        }
    }

    package func deliveredOutcome(of id: TaskID) async throws(TaskStoreError) -> JSONValue? {
        try await readOnce { db in
            let text = try String.fetchOne(
                db.cachedStatement(
                    sql: """
                        SELECT body FROM task JOIN callback_body USING (task_key)
                        WHERE id = ? AND (is_success OR EXISTS (
                          SELECT 1 FROM callback_token AS token
                          WHERE token.task_key = task.task_key AND token.attempt = task.attempts AND token.had_final))
                        """), arguments: [id.text])
            return try text.map { try JSONValue(parsing: Array($0.utf8), limits: .lenient) }
        }
    }

    /// Writes what an event leaves besides the row: a token before it is used, a delivery's body while it may be needed.
    static func keep(
        _ event: TaskEvent, of row: TaskRow, leadingTo change: TaskChange, in db: Database
    ) throws {
        switch event {
        case .submissionStarted(let callback?):
            try db.cachedStatement(sql: "INSERT INTO callback_token (digest, task_key, attempt) VALUES (?, ?, ?)")
                .execute(arguments: [Data(callback.bytes), row.key, change.task.attempts])
        case .calledBack(let delivery):
            try count(delivery, of: row.key, in: db)
            let isOfAnother = change.transition == .noteLateRecord && !change.task.state.hasEnded
            if !change.task.isOver, !isOfAnother { try keepBody(of: delivery, of: row.key, in: db) }
        default:
            break
        }
        if change.task.isOver, row.task.callbacks.finalAt != nil {
            try db.cachedStatement(sql: "DELETE FROM callback_body WHERE task_key = ?").execute(arguments: [row.key])
        }
    }

    static func count(_ delivery: CallbackDelivery, of key: Int64, in db: Database) throws {
        try db.cachedStatement(
            sql: """
                UPDATE callback_token SET deliveries = deliveries + 1, had_final = max(had_final, ?)
                WHERE task_key = ? AND attempt = ?
                """
        ).execute(arguments: [delivery.isFinal, key, delivery.attempt])
    }

    /// Keeps the better of two final bodies, and the later of two equally good ones.
    private static func keepBody(of delivery: CallbackDelivery, of key: Int64, in db: Database) throws {
        guard delivery.isFinal, let observation = delivery.observation else { return }
        let isSuccess = if case .succeeded = observation.verdict { true } else { false }
        try db.cachedStatement(
            sql: """
                INSERT INTO callback_body (task_key, is_success, body) VALUES (?, ?, ?)
                ON CONFLICT (task_key) DO UPDATE SET is_success = excluded.is_success, body = excluded.body
                WHERE excluded.is_success >= callback_body.is_success
                """
        ).execute(arguments: [key, isSuccess, observation.record.text])
    }
}

extension TrackedTask {
    /// Whether nothing that is delivered can matter any more.
    fileprivate var isOver: Bool { state.hasEnded && !mayBeReopened }
}

/// A task, and what is known of one token of it.
private struct OwnerRow: PositionalRow {
    let owner: CallbackOwner
    let digest: CallbackDigest?

    init(_ columns: inout ColumnReader) throws {
        owner = CallbackOwner(
            task: try TaskRow(&columns).task, attempt: columns(), deliveries: columns(), hadFinal: columns())
        digest = CallbackDigest(columns() as [UInt8])
    }
}
