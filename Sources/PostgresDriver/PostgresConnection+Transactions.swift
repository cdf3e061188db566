import CPostgreSQL
import StoreSQL
import TaskStore

/// The last numbers that were given to new rows. The transaction keeps them in memory, because it has locked their row, and
/// writes them back at its end.
struct RowNumbers {
    private var last: [SQLSequence: Int64] = [:]
    /// Whether they differ from the row.
    var isChanged = false
    /// Whether any new row has got one.
    private(set) var wereGiven = false

    /// Whether the reply that has them has come.
    var isKnown: Bool { !last.isEmpty }
    var values: [ColumnValue] { [ColumnValue(last[.task]), ColumnValue(last[.event])] }

    /// Numbers that are not known yet.
    init() {}

    /// The numbers of ``PostgresConnection/lock``.
    init(_ result: OpaquePointer) {
        let row = PostgresRow(result: result, row: 0)
        // On a server that has taken over, places may be known to readers that it has lost.
        let skipped = row.integer(2) == 0 ? 0 : Self.mostLostLines
        last = [.task: row.integer(0), .event: row.integer(1) + skipped]
    }

    /// More lines than a server that takes over can have lost. JavaScript counts exactly beyond 500 million times this many.
    private static let mostLostLines: Int64 = 1 << 24

    mutating func next(of sequence: SQLSequence) -> Int64 {
        (isChanged, wereGiven) = (true, true)
        last[sequence, default: 0] += 1
        return last[sequence, default: 0]
    }
}

extension PostgresConnection {
    /// Locks the row that all writers lock first, and reads the numbers in it.
    ///
    /// The lock is taken at the beginning, because the rules of the store read rows before they change them. Writers of all
    /// machines so follow each other as in SQLite. With READ COMMITTED each later statement sees all commits before the lock
    /// (https://www.postgresql.org/docs/15/transaction-iso.html#XACT-READ-COMMITTED).
    ///
    /// The third column is 1 on another server than the one on which ``TaskStore/checkWitness(newEpoch:at:)`` was last run.
    private static let lock: SQLStatement = """
        SELECT last_task, last_event,
          CASE WHEN (SELECT value FROM meta WHERE name = 'server') <> (\(SQLDialect.postgres.serverIdentity ?? "''"))
            THEN 1 ELSE 0 END
        FROM log_counter FOR UPDATE
        """

    /// Settings of this transaction, so that they also hold behind a pooler. Time limits: of a statement, of the wait for the
    /// lock, and of a process that stands still. A commit returns once it is on disk.
    private static let settings: SQLStatement = """
        SELECT set_config('statement_timeout', '30s', TRUE), set_config('lock_timeout', '10s', TRUE),
          set_config('idle_in_transaction_session_timeout', '2s', TRUE),
          set_config('synchronous_commit', CASE current_setting('synchronous_commit')
            WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, TRUE)
        """

    /// Without this, a commit that waits for a standby would be reported as successful after the time of a statement.
    private static let noTimeout: SQLStatement = "SET LOCAL statement_timeout = 0"

    /// Begins a transaction that may write.
    func beginWrite() throws {
        numbers = RowNumbers()
        try enqueue("BEGIN ISOLATION LEVEL READ COMMITTED")
        try enqueue(Self.settings)
        try enqueue(Self.lock, [], .numbers)
    }

    /// Begins a transaction that reads one snapshot.
    func beginRead() throws {
        try enqueue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try enqueue(Self.settings)
    }

    /// Commits, and returns once it is on disk.
    ///
    /// Throws ``TaskStoreError/unknown`` if the commit may be on disk, and another error if it is not.
    func commit() throws {
        // A connection that was lost is noticed before a COMMIT is sent, if it can be.
        if !numbers.isKnown { try finish() }
        try checkInput()
        if numbers.isChanged { try writeNumbers() }
        try enqueue(Self.noTimeout)
        hasWarning = false
        try enqueue("COMMIT", [], .commit)
        do {
            try finish()
        } catch let error as PostgresError where error.effect == .connectionLost && !error.isIdleTimeout {
            // The COMMIT may have been carried out. A transaction that was idle for too long was undone before it.
            throw TaskStoreError.unknown
        }
        // The server warns if it did not wait for the standby that the settings want.
        if hasWarning { throw TaskStoreError.unknown }
    }

    /// Ends a transaction without its changes. Afterwards the connection may be unusable.
    func rollBack() {
        // Replies to queued statements, which may be errors.
        if hasQueued { try? finish() }
        guard isUsable, isInTransaction else { return }
        try? enqueue("ROLLBACK")
        try? finish()
    }

    /// Runs a part of a transaction; an error undoes only that part. The replies before it must have been read.
    func inSavepoint<Value>(_ body: () throws -> Value) throws -> Value {
        let before = numbers
        try enqueue("SAVEPOINT part")
        do {
            let value = try body()
            try enqueue("RELEASE SAVEPOINT part")
            try finish()
            return value
        } catch {
            if hasQueued { try? finish() }
            guard isUsable else { throw PostgresError("it was lost in a transaction", .connectionLost) }
            try enqueue("ROLLBACK TO SAVEPOINT part")
            try enqueue("RELEASE SAVEPOINT part")
            try finish()
            numbers = before
            throw error
        }
    }

    /// Writes the numbers of new rows back to their row.
    func writeNumbers() throws(PostgresError) {
        numbers.isChanged = false
        try enqueue("UPDATE log_counter SET last_task = ?, last_event = ?", numbers.values)
    }
}
