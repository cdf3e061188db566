package import TaskModel

/// Shows the ledger.
extension TaskStore {
    /// The sums of the ledger over attempts that started in that time.
    package func spending(from start: Timestamp, until end: Timestamp?) async throws(TaskStoreError) -> [LedgerSum] {
        try await read("spending", .page) { try $0.ledgerSums(from: start, until: end) }
    }

    /// The lines of the ledger about a task, by attempt, oldest first. They stay after the task was removed.
    package func ledger(of task: TaskID) async throws(TaskStoreError) -> [LedgerEntry] {
        try await read("ledger") { try $0.ledger(of: task) }
    }
}
