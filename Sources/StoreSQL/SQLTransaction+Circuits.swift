import TaskModel
package import TaskStore

/// Reads and writes the states of the circuit breakers.
extension SQLTransaction {
    package func circuits() throws -> [CircuitState] {
        try CircuitState.fetchAll(
            connection,
            """
            SELECT kind, name, account, pause_code, pause_message, failures, closed_until_ms, error_code, error_message,
              error_http_status, error_at_ms, revision
            FROM gate
            """)
    }

    package func put(_ circuits: [CircuitState]) throws {
        for gate in circuits {
            try connection.execute(
                Self.putCircuit,
                [
                    .text(gate.kind.rawValue), .text(gate.name), .text(gate.account?.text ?? ""),
                    ColumnValue(gate.pause?.code), ColumnValue(gate.pause?.message), ColumnValue(gate.failures),
                    ColumnValue(gate.closedUntil), ColumnValue(gate.lastError?.code),
                    ColumnValue(gate.lastError?.message), ColumnValue(gate.lastError?.httpStatus),
                    ColumnValue(gate.lastErrorAt), ColumnValue(gate.revision),
                ])
        }
    }

    private static let putCircuit = upsert(
        into: "gate", key: ["kind", "name", "account"],
        others: [
            "pause_code", "pause_message", "failures", "closed_until_ms", "error_code", "error_message",
            "error_http_status", "error_at_ms", "revision",
        ])
}

extension CircuitState: ColumnDecodable {
    package init(_ next: inout ColumnReader) throws {
        guard let kind = Kind(rawValue: next()) else { throw TaskStoreError.damaged("a circuit cannot be read") }
        let (name, account): (String, String) = (next(), next())
        self.init(kind: kind, name: name, account: account.isEmpty ? nil : AccountName(stored: account))
        let (pauseCode, pauseMessage): (String?, String?) = (next.optional(), next.optional())
        pause = pauseCode.map { Pause(code: $0, message: pauseMessage ?? "") }
        failures = next()
        closedUntil = next.time()
        let (code, message, httpStatus): (String?, String?, Int?) = (next.optional(), next.optional(), next.optional())
        lastError = code.map { TaskFailure(code: $0, message: message ?? "", httpStatus: httpStatus) }
        lastErrorAt = next.time()
        revision = next()
    }
}
