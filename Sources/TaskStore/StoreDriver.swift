package import TaskModel

/// Whether the storage can be written to and trusted.
package enum StorageCondition: Sendable, Hashable {
    /// Everything is as it should be.
    case sound
    /// It works, but its contents are still being checked: nothing is paid for on their word.
    case beingChecked
    /// Nothing can be stored, and why.
    case failed(TaskStoreError)
}

/// What a transaction is for, in the words of the store's verbs.
///
/// A driver does not need it. Tests and measurements tell transactions apart by it.
package enum StoreCall: Sendable {
    /// Stores new tasks.
    case insert([TaskID])
    /// Applies events to tasks.
    case apply([TaskEvent])
    /// Another write, by the name of its verb.
    case write(String)
    /// A read, by the name of its verb.
    case read(String)

    /// Whether it changes anything.
    package var isWrite: Bool {
        if case .read = self { false } else { true }
    }
}

/// How much a read looks at.
package enum ReadExtent: Sendable {
    /// One statement, or several of which one decides: consistent without a transaction around it.
    case statement
    /// A few rows by several statements, which see one moment.
    case snapshot
    /// Perhaps many rows: read beside the short reads, on a thread on which nothing else waits.
    case page
}

/// One database: runs transactions of row primitives, and decides nothing about tasks.
package protocol StoreDriver: Sendable {
    /// Runs a write to its end, even for a caller that was cancelled, and returns once it is on disk.
    ///
    /// `body` may run twice, and may share its commit with other writes; if it throws, nothing that it did is stored.
    /// `committed` is called once after the commit, for one write after another in the order of the log, and before the call
    /// returns.
    func write<Value: Sendable>(
        for call: StoreCall, _ body: @escaping @Sendable (any StoreTransaction) throws -> Value,
        committed: @escaping @Sendable (Value) -> Void
    ) async throws(TaskStoreError) -> Value

    /// Reads beside any write.
    func read<Value: Sendable>(
        for call: StoreCall, _ extent: ReadExtent,
        _ body: @escaping @Sendable (any StoreSnapshot) throws -> Value
    ) async throws(TaskStoreError) -> Value

    /// Whether the storage can be written to and trusted at this moment; cheap enough to be asked before every claim.
    func condition() async -> StorageCondition
    /// Checks what opening left unchecked, which may take minutes; returns once all of it is known to be sound.
    ///
    /// Throws ``TaskStoreError/damaged(_:)`` where it is not. A cancelled caller gets back early.
    func checkContents() async throws(TaskStoreError)
    /// Writes a consistent, checked copy into the directory, marked as a backup, beside all other work.
    func backUp(into directory: String, at now: Timestamp) async throws(BackupError) -> Backup
    /// Where the database is and how large.
    func info() async throws(TaskStoreError) -> StoreInfo
}
