import GRDB
import TaskModel
import TaskStore

/// Reads and writes the states of the circuit breakers. It uses GRDB's rows, because it reads once per start.
extension SQLiteTransaction {
    func circuits() throws -> [CircuitState] {
        try Row.fetchAll(db.cachedStatement(sql: "SELECT * FROM gate")).map { row in
            guard let kind = CircuitState.Kind(rawValue: row["kind"]) else {
                throw TaskStoreError.damaged("a circuit cannot be read")
            }
            let account: String = row["account"]
            var gate = CircuitState(
                kind: kind, name: row["name"], account: account.isEmpty ? nil : AccountName(stored: account))
            gate.pause = (row["pause_code"] as String?).map { code in
                CircuitState.Pause(code: code, message: row["pause_message"] ?? "")
            }
            gate.failures = row["failures"]
            gate.closedUntil = row.time("closed_until_ms")
            gate.lastError = (row["error_code"] as String?).map { code in
                TaskFailure(code: code, message: row["error_message"] ?? "", httpStatus: row["error_http_status"])
            }
            gate.lastErrorAt = row.time("error_at_ms")
            gate.revision = row["revision"]
            return gate
        }
    }

    func put(_ circuits: [CircuitState]) throws {
        for gate in circuits {
            try db.cachedStatement(
                sql: """
                    INSERT INTO gate (
                      kind, name, account, pause_code, pause_message, failures, closed_until_ms,
                      error_code, error_message, error_http_status, error_at_ms, revision)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    ON CONFLICT (kind, name, account) DO UPDATE SET
                      pause_code = excluded.pause_code, pause_message = excluded.pause_message,
                      failures = excluded.failures, closed_until_ms = excluded.closed_until_ms,
                      error_code = excluded.error_code, error_message = excluded.error_message,
                      error_http_status = excluded.error_http_status, error_at_ms = excluded.error_at_ms,
                      revision = excluded.revision
                    """
            ).execute(arguments: [
                gate.kind.rawValue, gate.name, gate.account?.text ?? "", gate.pause?.code, gate.pause?.message,
                gate.failures, gate.closedUntil?.milliseconds, gate.lastError?.code, gate.lastError?.message,
                gate.lastError?.httpStatus, gate.lastErrorAt?.milliseconds, gate.revision,
            ])
        }
    }
}

extension Row {
    /// A column of milliseconds.
    fileprivate func time(_ column: String) -> Timestamp? {
        (self[column] as Int64?).map(Timestamp.init(milliseconds:))
    }
}
