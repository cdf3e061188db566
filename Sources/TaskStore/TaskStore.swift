package import TaskModel

/// Stores all tasks. It has every rule of a commit once, for all databases.
///
/// Every write is one transaction that is on disk before the call returns. Every time is an argument. State changes use
/// ``TaskLifecycle`` inside the transaction and write the row and the log line together. A commit informs the
/// subscribers of ``log`` before the call returns.
package final class TaskStore: Sendable {
    /// The log of all changes, and its subscribers.
    package let log: EventLog
    let driver: any StoreDriver
    /// The holder of the leases for claims.
    package let holder: LeaseHolder
    /// Detects a database that is an older copy; nil if nothing paid is sent, or if the store is shared.
    let witness: WitnessKeeper?
    /// Shows what a shared database lacks; nil if the store is not shared.
    let journal: JournalKeeper?
    /// Keeps long values of records; nil if they stay in the database.
    package let files: (any RecordFiles)?
    let unnotedParts = UnnotedParts()
    /// Longer values are kept there, in bytes of their text.
    let longestInRecord: Int
    /// Changes an event before it is applied. Only tests use it, to break a rule on purpose.
    let tampering: EventTampering?

    /// Replaces the events that are about to be applied to a task.
    package typealias EventTampering = @Sendable (ScheduledEvent, TrackedTask, StoreCall, Timestamp) -> [ScheduledEvent]

    /// Creates a store on that database.
    package init(
        _ driver: any StoreDriver, holder: LeaseHolder = .thisProcess, witness: (any Witness)? = nil,
        journal: (any AttemptJournal)? = nil, files: (any RecordFiles)? = nil,
        longestInRecord: Int = RecordPart.longestInRecord,
        tampering: EventTampering? = nil
    ) {
        self.driver = driver
        self.holder = holder
        self.files = files
        self.longestInRecord = longestInRecord
        self.witness = witness.map { WitnessKeeper($0) }
        self.journal = journal.map { JournalKeeper($0) }
        self.tampering = tampering
        log = EventLog(driver)
    }

    /// Whether the storage can be written to and trusted now. The check is cheap enough for every claim.
    package func condition() async -> StorageCondition {
        if let failure = await witness?.retry() { return .failed(failure) }
        if let failure = await journal?.retry() { return .failed(failure) }
        return await driver.condition()
    }

    /// Checks the contents that opening did not check, which may take minutes. Returns once all of it is known to be
    /// sound.
    ///
    /// Throws ``TaskStoreError/damaged(_:)`` if it is not. A cancelled caller returns early.
    package func checkContents() async throws(TaskStoreError) { try await driver.checkContents() }

    /// Writes a consistent, checked copy of the store, with the long values of records, into the directory. One backup runs
    /// at a time.
    package func backUp(into directory: String, at now: Timestamp) async throws(BackupError) -> Backup {
        files?.holdRemovals(true)
        defer { files?.holdRemovals(false) }
        return try await driver.backUp(into: directory, with: files, at: now)
    }

    /// The location and size of the store, for the status page.
    package func info() async throws(TaskStoreError) -> StoreInfo { try await driver.info() }
}

/// The result of a transaction, and its changes.
struct Committed<Value: Sendable>: Sendable {
    let value: Value
    let changes: [CommittedChange]
    /// The places of all its lines in the log.
    let places: [Int64]
}

extension TaskStore {
    /// Commits, then informs the subscribers of the log.
    func commit<Value: Sendable>(
        _ call: StoreCall, _ body: @escaping @Sendable (inout ChangeSet) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        let source = ActionSource.current
        let committed = try await driver.write(for: call) { [holder, leaseTerm, journal] transaction in
            var changes = ChangeSet(
                transaction, holder: holder, leaseTerm: leaseTerm, journal: journal, source: source?.name)
            let value = try body(&changes)
            try changes.finish()
            return Committed(value: value, changes: changes.committed, places: changes.places)
        } committed: { [log] in
            log.enqueue($0.changes, at: $0.places)
        }
        if !committed.places.isEmpty {
            source?.noteLogged()
            await log.deliverOurs()
            log.wake()
        }
        return committed.value
    }

    /// Appends a line about the daemon to the log.
    package func log(_ event: DaemonEvent) async throws(TaskStoreError) {
        try await commit(.write("log")) { $0.append(event) }
    }

    /// Appends a line that changes no state: about the task if it exists and has a log, else about the daemon.
    package func log(_ event: DaemonEvent, about task: TaskID) async throws(TaskStoreError) {
        try await commit(.write("log")) { changes in
            guard let row = try changes.transaction.tasks([task]).first, !row.task.lacks(.events) else {
                return changes.append(event)
            }
            let state = row.task.state
            changes.append(
                TaskLogEntry(at: event.at, kind: event.kind, from: state, to: state, detail: event.detail),
                of: row.key, about: row.task)
        }
    }

    /// Writes data that changes no task and has no line in the log.
    func write<Value: Sendable>(
        _ verb: String, _ body: @escaping @Sendable (any StoreTransaction) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        try await driver.write(for: .write(verb), body, committed: { _ in })
    }

    /// Reads with one statement, or with several of which one decides.
    func read<Value: Sendable>(
        _ verb: String, _ extent: ReadExtent = .statement,
        _ body: @escaping @Sendable (any StoreSnapshot) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        try await driver.read(for: .read(verb), extent, body)
    }
}
