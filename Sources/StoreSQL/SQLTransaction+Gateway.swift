package import TaskModel
package import TaskStore
import VerbatimJSON

/// Exchanges of the gateway, what belongs to their tasks, and its tokens.
extension SQLTransaction {
    package func exchanges(with contentKey: [UInt8]) throws -> [Exchange] {
        try Exchange.fetchAll(
            connection,
            """
            SELECT exchange_key, id, mark, fate, since_ms,
              state = 'failed'
                AND (COALESCE(failure_code, '') = ?2 OR COALESCE(outcome_source, '') = 'submission' AND remote_id IS NULL)
            FROM gateway_exchange JOIN task USING (task_key) WHERE content_key = ?1
            ORDER BY exchange_key LIMIT 1000
            """, [.blob(contentKey), .text(TaskFailure.submissionLost)])
    }

    package func deliveredExchanges(since time: Timestamp?) throws -> [(task: TaskID, fate: ExchangeFate)] {
        try DeliveredRow.fetchAll(
            connection,
            """
            SELECT id, mark, content_key, since_ms FROM gateway_exchange JOIN task USING (task_key)
            WHERE fate = 'delivered' AND since_ms >= ? ORDER BY since_ms DESC LIMIT 10000
            """, [.integer(time?.milliseconds ?? 0)]
        ).map { (task: $0.task, fate: $0.fate) }
    }

    package func insert(_ arrival: PassedSubmission.Arrival, of key: Int64, at now: Timestamp) throws {
        try connection.execute(
            """
            INSERT INTO gateway_exchange (task_key, content_key, mark, fate, since_ms) VALUES (?, ?, ?, 'open', ?)
            """, [.integer(key), .blob(arrival.contentKey), .integer(arrival.mark), ColumnValue(now)])
    }

    package func settle(_ fates: [ExchangeFate]) throws {
        for fate in fates {
            if fate.fate == .received {
                try connection.execute(
                    """
                    DELETE FROM gateway_exchange
                    WHERE content_key = ? AND mark = ? AND fate IN ('open', 'delivered')
                    """, [.blob(fate.contentKey), .integer(fate.mark)])
                continue
            }
            try connection.execute(
                """
                UPDATE gateway_exchange SET fate = ?, since_ms = ?
                WHERE content_key = ? AND mark = ? AND fate = 'open'
                """, [.text(fate.fate.rawValue), ColumnValue(fate.at), .blob(fate.contentKey), .integer(fate.mark)])
        }
    }

    package func endOpenExchanges(at now: Timestamp) throws {
        try connection.execute(
            "UPDATE gateway_exchange SET fate = 'undelivered', since_ms = ? WHERE fate = 'open'", [ColumnValue(now)])
    }

    package func endOpenExchanges(of token: LeaseToken, at now: Timestamp) throws {
        try connection.execute(
            "UPDATE gateway_exchange SET fate = 'undelivered', since_ms = ? WHERE fate = 'open' AND (mark >> 32) = ?",
            [ColumnValue(now), .integer(Int64(Int32(bitPattern: token.exchangeHalf)))])
    }

    package func drop(_ exchange: Exchange) throws {
        try connection.execute("DELETE FROM gateway_exchange WHERE exchange_key = ?", [.integer(exchange.number)])
    }

    package func dropExchanges(deliveredBy delivered: Timestamp, undeliveredBy undelivered: Timestamp, limit: Int)
        throws
    {
        for (fate, time) in [(Exchange.Fate.delivered, delivered), (.undelivered, undelivered)] {
            try connection.execute(
                """
                DELETE FROM gateway_exchange WHERE exchange_key IN (
                  SELECT exchange_key FROM gateway_exchange WHERE fate = ? AND since_ms < ? LIMIT ?)
                """, [.text(fate.rawValue), ColumnValue(time), ColumnValue(limit)])
        }
    }

    package func insert(_ message: PassedMessage, of key: Int64) throws {
        let headers = JSONObject(message.headers.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
        try connection.execute(
            """
            INSERT INTO gateway_message (task_key, query, headers, content_type, body, address)
            VALUES (?, ?, ?, ?, ?, ?)
            """,
            [
                .integer(key), .text(message.query), .text(JSONValue.object(headers).text),
                ColumnValue(message.contentType), ColumnValue(message.body), .text(message.address),
            ])
    }

    package func passedMessage(of task: TaskID) throws -> PassedMessage? {
        try MessageRow.fetchOne(
            connection,
            """
            SELECT query, headers, content_type, body, address
            FROM gateway_message JOIN task USING (task_key) WHERE id = ?
            """, [.text(task.text)])?.message
    }

    package func put(_ reply: SubmissionReply, of key: Int64) throws {
        try connection.execute(
            """
            INSERT INTO gateway_reply (task_key, status, content_type, body) VALUES (?, ?, ?, ?)
            ON CONFLICT (task_key) DO UPDATE SET
              status = excluded.status, content_type = excluded.content_type, body = excluded.body
            """, [.integer(key), ColumnValue(reply.status), .text(reply.contentType), .blob(reply.body)])
    }

    package func submissionReply(of task: TaskID) throws -> SubmissionReply? {
        try SubmissionReply.fetchOne(
            connection, "SELECT status, content_type, body FROM gateway_reply JOIN task USING (task_key) WHERE id = ?",
            [.text(task.text)])
    }

    package func localTokens() throws -> [LocalToken] {
        try LocalToken.fetchAll(connection, "SELECT name, digest, created_at_ms FROM gateway_token ORDER BY name")
    }

    package func insert(_ token: LocalToken) throws {
        try connection.execute(
            "INSERT INTO gateway_token (name, digest, created_at_ms) VALUES (?, ?, ?)",
            [.text(token.name), .blob(token.digest.bytes), ColumnValue(token.createdAt)])
    }

    package func dropLocalToken(named name: String) throws {
        try connection.execute("DELETE FROM gateway_token WHERE name = ?", [.text(name)])
    }
}

extension Exchange: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws {
        let number: Int64 = next()
        let task = next.taskID()
        let mark: Int64 = next()
        guard let task, let fate = Fate(rawValue: next()) else {
            throw TaskStoreError.damaged("an exchange of the gateway cannot be read")
        }
        self.init(
            number: number, task: task, mark: mark, fate: fate, since: Timestamp(milliseconds: next()), isOver: next())
    }
}

private struct DeliveredRow: ColumnDecodable {
    let task: TaskID
    let fate: ExchangeFate

    init(_ next: inout ColumnReader) throws {
        guard let task = next.taskID() else {
            throw TaskStoreError.damaged("an exchange of the gateway cannot be read")
        }
        self.task = task
        let (mark, key): (Int64, [UInt8]) = (next(), next())
        fate = ExchangeFate(mark: mark, contentKey: key, fate: .delivered, at: Timestamp(milliseconds: next()))
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
            contentType: next.optional(), body: next.optional(), address: next())
    }
}

extension SubmissionReply: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws {
        self.init(status: next(), contentType: next(), body: next())
    }
}

extension LocalToken: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws {
        let (name, bytes): (String, [UInt8]) = (next(), next())
        guard let digest = CallbackDigest(bytes) else {
            throw TaskStoreError.damaged("the gateway's token \(name) cannot be read")
        }
        self.init(name: name, digest: digest, createdAt: Timestamp(milliseconds: next()))
    }
}
