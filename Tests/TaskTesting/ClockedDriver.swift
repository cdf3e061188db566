package import TaskModel
package import TaskStore

/// A database that several processes use, with a clock.
package struct ClockedDriver: DriverWrapper {
    package let base: any StoreDriver
    private let clock: @Sendable () -> Timestamp

    package init(_ base: any StoreDriver, clock: @escaping @Sendable () -> Timestamp) {
        self.base = base
        self.clock = clock
    }

    package var leaseTerm: Duration? { Lease.term }

    package func rows(for call: StoreCall, _ rows: any StoreTransaction) -> any StoreTransaction {
        ClockedTransaction(base: rows, clock: clock)
    }

    package func rows(for call: StoreCall, _ rows: any StoreSnapshot) -> any StoreSnapshot {
        ClockedSnapshot(reading: rows, clock: clock)
    }
}

private struct ClockedSnapshot: SnapshotWrapper {
    let reading: any StoreSnapshot
    let clock: @Sendable () -> Timestamp

    func now() throws -> Timestamp { clock() }
}

private struct ClockedTransaction: TransactionWrapper {
    let base: any StoreTransaction
    let clock: @Sendable () -> Timestamp

    func now() throws -> Timestamp { clock() }
}
