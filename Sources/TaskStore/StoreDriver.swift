package import TaskModel

/// Whether the storage can be written to and trusted.
package enum StorageCondition: Sendable, Hashable {
    /// No problem is known.
    case sound
    /// It works, but its contents are still being checked. Nothing paid is sent until then.
    case beingChecked
    /// Nothing can be stored, for this reason.
    case failed(TaskStoreError)
}

/// The operation of the store that a transaction belongs to.
///
/// Drivers ignore it. Tests and measurements use it to distinguish transactions.
package enum StoreCall: Sendable {
    /// Inserts new tasks.
    case insert([TaskID])
    /// Applies events to tasks.
    case apply([TaskEvent])
    /// Another write, by the name of its method.
    case write(String)
    /// A read, by the name of its method.
    case read(String)

    /// Whether it changes anything.
    package var isWrite: Bool {
        if case .read = self { false } else { true }
    }
}

/// How much data a read needs.
package enum ReadExtent: Sendable {
    /// One statement, or several of which one decides. It is consistent without a transaction.
    case statement
    /// A few rows by several statements, which must see the same state.
    case snapshot
    /// Perhaps many rows. They are read on a separate thread, so that short reads do not wait.
    case page
}

/// Runs transactions of row primitives on one database. It makes no decisions about tasks.
package protocol StoreDriver: Sendable {
    /// Runs a write, even for a cancelled caller, and returns once it is on disk.
    /// `body` may run twice, and may share its commit with other writes. If it throws, none of its changes are stored.
    /// `committed` is called once after the commit and before this call returns, for all writes in log order.
    func write<Value: Sendable>(
        for call: StoreCall, _ body: @escaping @Sendable (any StoreTransaction) throws -> Value,
        committed: @escaping @Sendable (Value) -> Void
    ) async throws(TaskStoreError) -> Value

    /// Reads in parallel with writes.
    func read<Value: Sendable>(
        for call: StoreCall, _ extent: ReadExtent,
        _ body: @escaping @Sendable (any StoreSnapshot) throws -> Value
    ) async throws(TaskStoreError) -> Value

    /// Whether the storage can be written to and trusted now. The check is cheap enough for every claim.
    func condition() async -> StorageCondition
    /// Checks the contents that opening did not check, which may take minutes. Returns once all of it is known to be
    /// sound.
    ///
    /// Throws ``TaskStoreError/damaged(_:)`` if it is not. A cancelled caller returns early.
    func checkContents() async throws(TaskStoreError)
    /// Writes a consistent, checked copy into the directory and marks it as a backup. Other work continues meanwhile.
    /// The copy contains the files of the records in it.
    func backUp(
        into directory: String, with files: (any RecordFiles)?, at now: Timestamp
    ) async throws(BackupError) -> Backup
    /// The location and size of the database.
    func info() async throws(TaskStoreError) -> StoreInfo
    /// How long a lease lasts without renewal: ``Lease/term`` if several processes may use the database at once. Nil if
    /// an instance lock keeps all others away; leases then never expire.
    var leaseTerm: Duration? { get }
}
