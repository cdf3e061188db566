package import TaskModel
package import TaskStore

/// A database that several processes use, with a clock and the identity of its server.
package struct ClockedDriver: DriverWrapper {
    package let base: any StoreDriver
    package let leaseTerm: Duration?
    private let server: @Sendable (String?) -> String?
    private let clock: @Sendable () -> Timestamp

    /// Without a term, its leases are those of a store that one process has to itself. `server` gets the identity of the server
    /// that the base has.
    package init(
        _ base: any StoreDriver, leaseTerm: Duration? = Lease.term,
        server: @escaping @Sendable (String?) -> String? = { _ in nil },
        clock: @escaping @Sendable () -> Timestamp
    ) {
        self.base = base
        self.leaseTerm = leaseTerm
        self.server = server
        self.clock = clock
    }

    /// Reports commits where the base does, so in their order.
    package func write<Value: Sendable>(
        for call: StoreCall, _ body: @escaping @Sendable (any StoreTransaction) throws -> Value,
        committed: @escaping @Sendable (Value) -> Void
    ) async throws(TaskStoreError) -> Value {
        try await base.write(
            for: call, { [self] transaction in try body(rows(for: call, transaction)) }, committed: committed)
    }

    package func rows(for call: StoreCall, _ rows: any StoreTransaction) -> any StoreTransaction {
        ClockedTransaction(base: rows, server: server, clock: clock)
    }

    package func rows(for call: StoreCall, _ rows: any StoreSnapshot) -> any StoreSnapshot {
        ClockedSnapshot(reading: rows, server: server, clock: clock)
    }
}

private struct ClockedSnapshot: SnapshotWrapper {
    let reading: any StoreSnapshot
    let server: @Sendable (String?) -> String?
    let clock: @Sendable () -> Timestamp

    func now() throws -> Timestamp { clock() }
    func serverIdentity() throws -> String? { server(try reading.serverIdentity()) }
}

private struct ClockedTransaction: TransactionWrapper {
    let base: any StoreTransaction
    let server: @Sendable (String?) -> String?
    let clock: @Sendable () -> Timestamp

    func now() throws -> Timestamp { clock() }
    func serverIdentity() throws -> String? { server(try base.serverIdentity()) }
}
