package import TaskModel

/// What the store has about the ids of a provider's list, in one consistent state.
package struct InventorySnapshot: Sendable {
    /// The holders of the ids, tasks and given-up attempts alike.
    package let holders: [RemoteTaskID: [RemoteIDHolder]]
    /// The tasks of the services that are being sent. A record without a holder may be theirs.
    package let submitting: [TrackedTask]
    /// The tasks of the services whose acceptance is unknown.
    package let uncertain: [TrackedTask]
}

/// Compares the tasks with the providers' lists.
extension TaskStore {
    /// The holders of ids in these services. Read them after the list: a task that was submitted in between then has its
    /// id, or is among those being sent.
    package func inventory(
        of ids: [RemoteTaskID], in services: [ServiceName]
    ) async throws(TaskStoreError) -> InventorySnapshot {
        try await read("inventory", .page) { rows in
            let holders = try services.flatMap { try rows.holders(of: ids, service: $0) }
            return InventorySnapshot(
                holders: Dictionary(grouping: holders, by: \.remoteID),
                submitting: try services.flatMap { service in
                    try rows.attempted(in: .submitting, of: service, within: nil).map(\.task)
                },
                uncertain: try services.flatMap { service in
                    try rows.attempted(in: .uncertain, of: service, within: nil).map(\.task)
                })
        }
    }

    /// When the lists were last compared as the settings say; nil if they never were.
    package func latestReconciliation() async throws(TaskStoreError) -> Timestamp? {
        try await read("latestReconciliation") { rows in
            try rows.meta()[.reconciledAt].flatMap { Int64($0) }.map { Timestamp(milliseconds: $0) }
        }
    }

    /// Stores that a comparison begins.
    package func noteReconciliation(at now: Timestamp) async throws(TaskStoreError) {
        try await write("noteReconciliation") { try $0.put(.reconciledAt, String(now.milliseconds)) }
    }

    /// A page of an endpoint's tasks, newest first, and the key that the next page comes before; nil at the end.
    package func tasks(
        of endpoint: EndpointName, before key: Int64?, limit: Int
    ) async throws(TaskStoreError) -> (tasks: [TrackedTask], next: Int64?) {
        try await read("tasksOfEndpoint", .page) { rows in
            let found = try rows.tasks(of: endpoint, before: key ?? .max, limit: limit)
            return (found.map(\.task), found.count < limit ? nil : found.last?.key)
        }
    }
}
