package import TaskModel

extension TaskStore {
    /// The statistics of an endpoint: one row for all its tasks, and one for each model that has a separate row.
    package func statistics(of endpoint: EndpointName) async throws(TaskStoreError) -> [StatisticsRow] {
        try await read("statistics") { try $0.statistics(of: endpoint) }
    }

    /// Applies the updates in the transaction of the changes that they count.
    static func learn(
        _ updates: [StatisticsUpdate], from changes: [TaskChange], in transaction: any StoreTransaction
    ) throws {
        guard !updates.isEmpty else { return }
        var rows = Dictionary(
            try transaction.statistics(updates.map(\.key)).map { ($0.key, $0) }
        ) { first, _ in first }
        for update in updates {
            if rows[update.key] == nil, update.key.model != nil {
                // Programs choose the names of models, so their number is limited.
                let known = try transaction.statistics(of: update.key.endpoint).count
                let new = rows.keys.count { $0.endpoint == update.key.endpoint && $0.model != nil }
                guard known + new <= StatisticsRow.mostModels else { continue }
            }
            update.learn(&rows[update.key, default: StatisticsRow(key: update.key)], changes)
        }
        try transaction.put(updates.compactMap { rows[$0.key] })
    }

    /// All circuits.
    package func circuits() async throws(TaskStoreError) -> [CircuitState] {
        try await read("circuits") { try $0.circuits() }
    }

    /// Stores the state of a circuit. An older revision than the stored one changes nothing.
    package func save(_ gate: CircuitState) async throws(TaskStoreError) {
        try await write("save") { transaction in
            let stored = try transaction.circuits().first {
                $0.kind == gate.kind && $0.name == gate.name && $0.account == gate.account
            }
            if let stored, stored.revision >= gate.revision { return }
            try transaction.put([gate])
        }
    }
}
