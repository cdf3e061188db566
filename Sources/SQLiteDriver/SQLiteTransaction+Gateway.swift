import GRDB
import SQLiteRaw
import TaskModel
import TaskStore
import VerbatimJSON

/// Exchanges of the gateway, what belongs to their tasks, and its tokens.
extension SQLiteTransaction {
    func exchanges(with contentKey: [UInt8]) throws -> [Exchange] {
        try Exchange.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT exchange_key, id, fate, since_ms,
                      state = 'failed' AND (IFNULL(failure_code, '') = ?2 OR IFNULL(outcome_source, '') = 'submission' AND remote_id IS NULL)
                    FROM gateway_exchange JOIN task USING (task_key) WHERE content_key = ?1
                    ORDER BY exchange_key LIMIT 1000
                    """), binding: [.blob(contentKey), .text(TaskFailure.submissionLost)])
    }

    func insert(_ arrival: PassedSubmission.Arrival, of key: Int64, at now: Timestamp) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO gateway_exchange (task_key, content_key, mark, fate, since_ms) VALUES (?, ?, ?, 'open', ?)
                """
        ).execute(binding: .integer(key), .blob(arrival.contentKey), .integer(arrival.mark), ColumnValue(now))
    }

    func settle(_ fates: [ExchangeFate]) throws {
        for fate in fates {
            try db.cachedStatement(
                sql: """
                    UPDATE gateway_exchange SET fate = ?, since_ms = ?
                    WHERE content_key = ? AND mark = ? AND fate = 'open'
                    """
            ).execute(
                binding: .text(fate.fate.rawValue), ColumnValue(fate.at), .blob(fate.contentKey), .integer(fate.mark))
        }
    }

    func endOpenExchanges(at now: Timestamp) throws {
        try db.cachedStatement(
            sql: "UPDATE gateway_exchange SET fate = 'undelivered', since_ms = ? WHERE fate = 'open'"
        ).execute(binding: ColumnValue(now))
    }

    func drop(_ exchange: Exchange) throws {
        try db.cachedStatement(sql: "DELETE FROM gateway_exchange WHERE exchange_key = ?")
            .execute(binding: .integer(exchange.number))
    }

    func dropExchanges(deliveredBy delivered: Timestamp, undeliveredBy undelivered: Timestamp, limit: Int) throws {
        for (fate, time) in [(Exchange.Fate.delivered, delivered), (.undelivered, undelivered)] {
            try db.cachedStatement(
                sql: """
                    DELETE FROM gateway_exchange WHERE exchange_key IN (
                      SELECT exchange_key FROM gateway_exchange WHERE fate = ? AND since_ms < ? LIMIT ?)
                    """
            ).execute(binding: .text(fate.rawValue), ColumnValue(time), ColumnValue(limit))
        }
    }

    func insert(_ message: PassedMessage, of key: Int64) throws {
        let headers = JSONObject(message.headers.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
        try db.cachedStatement(
            sql: "INSERT INTO gateway_message (task_key, query, headers, content_type, body) VALUES (?, ?, ?, ?, ?)"
        ).execute(
            binding: .integer(key), .text(message.query), .text(JSONValue.object(headers).text),
            ColumnValue(message.contentType), ColumnValue(message.body))
    }

    func passedMessage(of task: TaskID) throws -> PassedMessage? {
        try MessageRow.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT query, headers, content_type, body FROM gateway_message JOIN task USING (task_key) WHERE id = ?
                    """), binding: .text(task.text)
        )?.message
    }

    func put(_ reply: SubmissionReply, of key: Int64) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO gateway_reply (task_key, status, content_type, body) VALUES (?, ?, ?, ?)
                ON CONFLICT (task_key) DO UPDATE SET
                  status = excluded.status, content_type = excluded.content_type, body = excluded.body
                """
        ).execute(
            binding: .integer(key), ColumnValue(reply.status), .text(reply.contentType), .blob(reply.body))
    }

    func submissionReply(of task: TaskID) throws -> SubmissionReply? {
        try SubmissionReply.fetchOne(
            db.cachedStatement(
                sql: "SELECT status, content_type, body FROM gateway_reply JOIN task USING (task_key) WHERE id = ?"),
            binding: .text(task.text))
    }

    func localTokens() throws -> [LocalToken] {
        try LocalToken.fetchAll(
            db.cachedStatement(sql: "SELECT name, digest, created_at_ms FROM gateway_token ORDER BY name"), binding: [])
    }

    func insert(_ token: LocalToken) throws {
        try db.cachedStatement(sql: "INSERT INTO gateway_token (name, digest, created_at_ms) VALUES (?, ?, ?)")
            .execute(binding: .text(token.name), .blob(token.digest.bytes), ColumnValue(token.createdAt))
    }

    func dropLocalToken(named name: String) throws {
        try db.cachedStatement(sql: "DELETE FROM gateway_token WHERE name = ?").execute(binding: .text(name))
    }
}

extension Exchange: ColumnDecodable {
    init(_ next: inout ColumnReader) throws {
        let number: Int64 = next()
        let task = next.taskID()
        guard let task, let fate = Fate(rawValue: next()) else {
            throw TaskStoreError.damaged("an exchange of the gateway cannot be read")
        }
        self.init(number: number, task: task, fate: fate, since: Timestamp(milliseconds: next()), isOver: next())
    }
}

private struct MessageRow: ColumnDecodable {
    let message: PassedMessage

    init(_ next: inout ColumnReader) throws {
        let query: String = next()
        let headers = try StoredDocument.read(next()).object ?? JSONObject()
        message = PassedMessage(
            query: query,
            headers: Dictionary(
                headers.members.compactMap { member in member.value.string.map { (member.name, $0) } }
            ) { first, _ in first },
            contentType: next.optional(), body: next.optional())
    }
}

extension SubmissionReply: ColumnDecodable {
    init(_ next: inout ColumnReader) throws {
        self.init(status: next(), contentType: next(), body: next())
    }
}

extension LocalToken: ColumnDecodable {
    init(_ next: inout ColumnReader) throws {
        let (name, bytes): (String, [UInt8]) = (next(), next())
        guard let digest = CallbackDigest(bytes) else {
            throw TaskStoreError.damaged("the gateway's token \(name) cannot be read")
        }
        self.init(name: name, digest: digest, createdAt: Timestamp(milliseconds: next()))
    }
}
