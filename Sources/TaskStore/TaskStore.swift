package import TaskModel

/// The store of all tasks. It holds every rule of a commit once, for all databases.
///
/// Every write is one transaction that is on disk before the call returns; every time is an argument. State changes go
/// through ``TaskLifecycle`` inside the transaction, row and log line together. A commit informs the subscribers of ``log``
/// before the call returns.
package struct TaskStore: Sendable {
    /// The log of all changes, and its subscribers.
    package let log: EventLog
    let driver: any StoreDriver
    /// In whose name work is claimed.
    let holder: LeaseHolder
    /// Notices a database that is an older copy; nil where nothing is paid for.
    let witness: WitnessKeeper?
    /// Changes an event before it is applied; only for tests that break a promise on purpose.
    let tampering: EventTampering?

    /// Another list of events in place of one that is about to be applied to that task.
    package typealias EventTampering = @Sendable (ScheduledEvent, TrackedTask, StoreCall, Timestamp) -> [ScheduledEvent]

    /// A store on that database.
    package init(
        _ driver: any StoreDriver, holder: LeaseHolder = .thisProcess, witness: (any Witness)? = nil,
        tampering: EventTampering? = nil
    ) {
        self.driver = driver
        self.holder = holder
        self.witness = witness.map { WitnessKeeper($0) }
        self.tampering = tampering
        log = EventLog(driver)
    }

    /// Whether the storage can be written to and trusted at this moment; cheap enough to be asked before every claim.
    package func condition() async -> StorageCondition {
        if let failure = await witness?.retry() { return .failed(failure) }
        return await driver.condition()
    }

    /// Checks what opening the store left unchecked, which may take minutes; returns once all of it is known to be sound.
    ///
    /// Throws ``TaskStoreError/damaged(_:)`` where it is not. A cancelled caller gets back early.
    package func checkContents() async throws(TaskStoreError) { try await driver.checkContents() }

    /// Writes a consistent, checked copy of the store into the directory. One backup runs at a time.
    package func backUp(into directory: String, at now: Timestamp) async throws(BackupError) -> Backup {
        try await driver.backUp(into: directory, at: now)
    }

    /// Where the store is and how large, for the status page.
    package func info() async throws(TaskStoreError) -> StoreInfo { try await driver.info() }
}

/// What a transaction has led to, and what it has changed.
struct Committed<Value: Sendable>: Sendable {
    let value: Value
    let changes: [CommittedChange]
    /// Whether the log has new lines.
    let isLogged: Bool
}

extension TaskStore {
    /// Commits, then tells the subscribers of the log what has changed.
    func commit<Value: Sendable>(
        _ call: StoreCall, _ body: @escaping @Sendable (inout ChangeSet) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        let committed = try await driver.write(for: call) { [holder] transaction in
            var changes = ChangeSet(transaction, holder: holder)
            let value = try body(&changes)
            try changes.finish()
            return Committed(value: value, changes: changes.committed, isLogged: changes.isLogged)
        } committed: { [log] in
            log.enqueue($0.changes)
        }
        if committed.isLogged {
            log.deliver()
            log.wake()
        }
        return committed.value
    }

    /// Appends a line about the daemon to the log.
    package func log(_ event: DaemonEvent) async throws(TaskStoreError) {
        try await commit(.write("log")) { $0.append(event) }
    }

    /// Writes what changes no task and has no line in the log.
    func write<Value: Sendable>(
        _ verb: String, _ body: @escaping @Sendable (any StoreTransaction) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        try await driver.write(for: .write(verb), body, committed: { _ in })
    }

    /// Reads by one statement, or by several of which one decides.
    func read<Value: Sendable>(
        _ verb: String, _ extent: ReadExtent = .statement,
        _ body: @escaping @Sendable (any StoreSnapshot) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        try await driver.read(for: .read(verb), extent, body)
    }
}
