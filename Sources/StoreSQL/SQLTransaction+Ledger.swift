package import TaskModel
package import TaskStore

/// Reads and writes the ledger.
extension SQLTransaction {
    package func append(_ entries: [LedgerEntry]) throws {
        for entry in entries {
            try connection.execute(
                """
                INSERT INTO ledger (
                  task, attempt, kind, at_ms, started_at_ms, unit, reserved_micros, spent_micros, unpriced, provider,
                  account, endpoint, labels, terms)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    .text(entry.task.text), ColumnValue(entry.attempt), .text(entry.kind.rawValue),
                    ColumnValue(entry.at), ColumnValue(entry.startedAt), ColumnValue(entry.unit?.text),
                    .integer(entry.reserved), .integer(entry.spent), ColumnValue(entry.unpriced),
                    .text(entry.spender.provider.text), .text(entry.spender.account.text),
                    .text(entry.spender.endpoint.text), ColumnValue(StoredLabels.text(of: entry.spender.labels)),
                    ColumnValue(entry.terms?.storedText),
                ])
        }
    }

    package func ledger(of task: TaskID) throws -> [LedgerEntry] {
        try LedgerRow.fetchAll(
            connection,
            """
            SELECT attempt, kind, at_ms, started_at_ms, unit, reserved_micros, spent_micros, unpriced, provider,
              account, endpoint, labels, terms
            FROM ledger WHERE task = ? ORDER BY attempt, entry
            """, [.text(task.text)]
        ).map { try $0.entry(of: task) }
    }

    package func ledgerSums(from start: Timestamp, until end: Timestamp?, byDay: Bool) throws -> [LedgerSum] {
        let day = byDay ? "started_at_ms / \(LedgerSum.dayLength)" : "NULL"
        return try LedgerSumRow.fetchAll(
            connection,
            """
            SELECT provider, account, endpoint, labels, unit, SUM(reserved_micros), SUM(spent_micros),
              COUNT(*) FILTER (WHERE kind = 'reserve'), SUM(unpriced), \(day) AS day
            FROM ledger WHERE started_at_ms >= ? AND started_at_ms < ?
            GROUP BY provider, account, endpoint, labels, unit\(byDay ? ", day" : "")
            """, [ColumnValue(start), .integer(end?.milliseconds ?? .max)]
        ).map(\.sum)
    }

    package func settledAttempts(startedBefore time: Timestamp, limit: Int) throws -> [SettledAttempt] {
        // An attempt whose only line is its reservation is open.
        try SettledAttempt.fetchAll(
            connection,
            """
            SELECT task, attempt, lines FROM (
              SELECT task, attempt, started_at_ms, (
                SELECT COUNT(*) FROM ledger AS own WHERE own.task = line.task AND own.attempt = line.attempt
              ) AS lines
              FROM ledger AS line \(dialect.indexed(by: "ledger_started"))
              WHERE started_at_ms < ? AND kind = 'reserve'
            ) AS counted
            WHERE lines > 1 ORDER BY started_at_ms LIMIT ?
            """, [ColumnValue(time), ColumnValue(limit)])
    }

    package func drop(_ attempts: [SettledAttempt]) throws {
        for attempt in attempts {
            try connection.execute(
                "DELETE FROM ledger WHERE task = ? AND attempt = ?",
                [.text(attempt.task.text), ColumnValue(attempt.attempt)])
        }
    }
}

private struct LedgerRow: ColumnDecodable {
    let attempt: Int
    let kind: String
    let at: Timestamp
    let startedAt: Timestamp
    let unit: String?
    let reserved: Int64
    let spent: Int64
    let unpriced: Int
    let spender: Spender
    let terms: String?

    init(_ next: inout ColumnReader) throws {
        (attempt, kind) = (next(), next())
        (at, startedAt) = (Timestamp(milliseconds: next()), Timestamp(milliseconds: next()))
        unit = next.optional()
        (reserved, spent, unpriced) = (next(), next(), next())
        spender = try Spender(&next)
        terms = next.optional()
    }

    func entry(of task: TaskID) throws -> LedgerEntry {
        guard let kind = LedgerEntry.Kind(rawValue: kind) else {
            throw TaskStoreError.damaged("a line of the ledger cannot be read")
        }
        return LedgerEntry(
            task: task, attempt: attempt, kind: kind, at: at, startedAt: startedAt,
            unit: unit.flatMap { MoneyUnit($0) }, reserved: reserved, spent: spent, unpriced: unpriced,
            spender: spender, terms: try terms.map { text in try SettlementTerms(storedText: text) })
    }
}

private struct LedgerSumRow: ColumnDecodable {
    let sum: LedgerSum

    init(_ next: inout ColumnReader) throws {
        let spender = try Spender(&next)
        let unit: String? = next.optional()
        sum = LedgerSum(
            spender: spender, unit: unit.flatMap { MoneyUnit($0) }, reserved: next(), spent: next(), attempts: next(),
            unpriced: next(), day: next.optional())
    }
}

extension SettledAttempt: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws {
        guard let task = next.taskID() else {
            throw TaskStoreError.damaged("a line of the ledger cannot be read")
        }
        self.init(task: task, attempt: next(), lines: next())
    }
}

extension Spender: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws {
        let (provider, account, endpoint): (String, String, String) = (next(), next(), next())
        let labels: String? = next.optional()
        guard let name = EndpointName(endpoint) else {
            throw TaskStoreError.damaged("the endpoint \(endpoint) of a line of the ledger cannot be read")
        }
        self.init(
            provider: ProviderName(provider) ?? .undefined, account: AccountName(stored: account), endpoint: name,
            labels: try StoredLabels.read(labels))
    }
}
