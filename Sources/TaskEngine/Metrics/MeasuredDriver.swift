package import TaskModel
package import TaskStore

/// Measures how long each write of a driver takes.
package struct MeasuredDriver: StoreDriver {
    private let base: any StoreDriver
    private let metrics: EngineMetrics
    private let time: any TimeSource

    package init(_ base: any StoreDriver, metrics: EngineMetrics, time: any TimeSource) {
        self.base = base
        self.metrics = metrics
        self.time = time
    }

    package func write<Value: Sendable>(
        for call: StoreCall, _ body: @escaping @Sendable (any StoreTransaction) throws -> Value,
        committed: @escaping @Sendable (Value) -> Void
    ) async throws(TaskStoreError) -> Value {
        let start = time.elapsed()
        defer { metrics.noteCommit(taking: time.elapsed() - start) }
        return try await base.write(for: call, body, committed: committed)
    }

    package func read<Value: Sendable>(
        for call: StoreCall, _ extent: ReadExtent, _ body: @escaping @Sendable (any StoreSnapshot) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        try await base.read(for: call, extent, body)
    }

    package var leaseTerm: Duration? { base.leaseTerm }
    package func condition() async -> StorageCondition { await base.condition() }
    package func checkContents() async throws(TaskStoreError) { try await base.checkContents() }

    package func backUp(
        into directory: String, with files: (any RecordFiles)?, at now: Timestamp
    ) async throws(BackupError) -> Backup {
        try await base.backUp(into: directory, with: files, at: now)
    }

    package func info() async throws(TaskStoreError) -> StoreInfo { try await base.info() }
}
