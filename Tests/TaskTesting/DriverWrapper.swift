package import TaskModel
package import TaskStore

/// A driver that forwards to another one.
///
/// A wrapper implements only what it changes: ``around(_:_:)``, which every transaction passes, or the rows that a
/// transaction sees (``rows(for:_:)``).
package protocol DriverWrapper: StoreDriver {
    /// The wrapped driver.
    var base: any StoreDriver { get }
    /// Performs the call. A wrapper can replace it.
    func around<Value: Sendable>(
        _ call: StoreCall, _ body: () async throws(TaskStoreError) -> Value
    ) async throws(TaskStoreError) -> Value
    /// The rows that a transaction sees.
    func rows(for call: StoreCall, _ rows: any StoreTransaction) -> any StoreTransaction
    /// The rows that a read sees.
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

    /// Reports a commit of the base only if ``around(_:_:)`` returns it to the caller.
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

    package var leaseTerm: Duration? { base.leaseTerm }

    package func condition() async -> StorageCondition { await base.condition() }

    package func checkContents() async throws(TaskStoreError) {
        try await around(.read("checkContents")) { () async throws(TaskStoreError) in try await base.checkContents() }
    }

    package func backUp(
        into directory: String, with files: (any RecordFiles)?, at now: Timestamp
    ) async throws(BackupError) -> Backup {
        try await base.backUp(into: directory, with: files, at: now)
    }

    package func info() async throws(TaskStoreError) -> StoreInfo {
        try await around(.read("info")) { () async throws(TaskStoreError) in try await base.info() }
    }
}

extension StoreCall {
    /// The kinds of the applied events.
    package var kinds: [String] {
        if case .apply(let events) = self { events.map(\.kind) } else { [] }
    }
}
