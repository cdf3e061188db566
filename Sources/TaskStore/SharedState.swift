package import TaskModel

/// What processes keep in memory of a shared store although another one may change it without a line in the log.
package struct SharedState: Sendable {
    package let circuits: [CircuitState]
    package let tokens: [LocalToken]
    package let restored: RestoredMode?
    /// The server and its timeline; nil if the database has no server.
    package let server: String?
    /// Whether the server is not the one on which the mode was last decided.
    package let isOnOtherServer: Bool
}

extension TaskStore {
    /// Reads it again.
    package func sharedState() async throws(TaskStoreError) -> SharedState {
        try await read("sharedState", .snapshot) { rows in
            let (meta, server) = (try rows.meta(), try rows.serverIdentity())
            return SharedState(
                circuits: try rows.circuits(), tokens: try rows.localTokens(),
                restored: try meta[.restored].map { text in try RestoredMode(text: text) },
                server: server, isOnOtherServer: server.map { $0 != meta[.server] } ?? false)
        }
    }

    /// Changes the stored state of a circuit, which another process may have changed too. Returns the new state.
    package func change(
        _ closed: CircuitState, _ change: @escaping @Sendable (inout CircuitState) -> Void
    ) async throws(TaskStoreError) -> CircuitState {
        try await write("changeCircuit") { transaction in
            var state =
                try transaction.circuits().first {
                    $0.kind == closed.kind && $0.name == closed.name && $0.account == closed.account
                } ?? closed
            change(&state)
            state.revision += 1
            try transaction.put([state])
            return state
        }
    }
}
