package import TaskModel
package import TaskStore

/// A driver that stands before another one.
///
/// Every transaction passes through ``around(_:_:)``, so that a wrapper writes down only what it does differently: that one
/// function, or the rows that a transaction sees (``rows(for:_:)``).
package protocol DriverWrapper: StoreDriver {
    /// What stands behind.
    var base: any StoreDriver { get }
    /// Does the call, or whatever the wrapper makes of it.
    func around<Value: Sendable>(
        _ call: StoreCall, _ body: () async throws(TaskStoreError) -> Value
    ) async throws(TaskStoreError) -> Value
    /// The rows as a transaction is to see them.
    func rows(for call: StoreCall, _ rows: any StoreTransaction) -> any StoreTransaction
    /// The rows as a read is to see them.
    func rows(for call: StoreCall, _ rows: any StoreSnapshot) -> any StoreSnapshot
}

extension DriverWrapper {
    package func around<Value: Sendable>(
        _ call: StoreCall, _ body: () async throws(TaskStoreError) -> Value
    ) async throws(TaskStoreError) -> Value {
        try await body()
    }

    package func rows(for call: StoreCall, _ rows: any StoreTransaction) -> any StoreTransaction { rows }

    package func rows(for call: StoreCall, _ rows: any StoreSnapshot) -> any StoreSnapshot { rows }

    /// What the base has committed is told only where the wrapper lets the caller know of it.
    package func write<Value: Sendable>(
        for call: StoreCall, _ body: @escaping @Sendable (any StoreTransaction) throws -> Value,
        committed: @escaping @Sendable (Value) -> Void
    ) async throws(TaskStoreError) -> Value {
        let value = try await around(call) { () async throws(TaskStoreError) in
            try await base.write(
                for: call, { [self] transaction in try body(rows(for: call, transaction)) }, committed: { _ in })
        }
        committed(value)
        return value
    }

    package func read<Value: Sendable>(
        for call: StoreCall, _ extent: ReadExtent, _ body: @escaping @Sendable (any StoreSnapshot) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        try await around(call) { () async throws(TaskStoreError) in
            try await base.read(for: call, extent) { [self] snapshot in try body(rows(for: call, snapshot)) }
        }
    }

    package func condition() async -> StorageCondition { await base.condition() }

    package func checkContents() async throws(TaskStoreError) {
        try await around(.read("checkContents")) { () async throws(TaskStoreError) in try await base.checkContents() }
    }

    package func backUp(into directory: String, at now: Timestamp) async throws(BackupError) -> Backup {
        try await base.backUp(into: directory, at: now)
    }

    package func info() async throws(TaskStoreError) -> StoreInfo {
        try await around(.read("info")) { () async throws(TaskStoreError) in try await base.info() }
    }
}

extension StoreCall {
    /// The kinds of the events that it applies.
    package var kinds: [String] {
        if case .apply(let events) = self { events.map(\.kind) } else { [] }
    }
}
