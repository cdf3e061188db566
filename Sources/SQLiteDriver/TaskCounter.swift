import GRDB
import Synchronization
import TaskModel
import TaskStore

/// Maintains `task_count`: collects the changes of one transaction, and writes them before its commit.
///
/// The writer has only one, because it runs one transaction at a time.
final class TaskCounter: Sendable {
    /// The key of a count.
    fileprivate struct Kind: Hashable {
        let state: TaskState
        let endpoint: EndpointName
        let account: AccountName
    }

    /// The changes of a transaction so far. They are restored when a savepoint is undone.
    struct Changes: Sendable {
        fileprivate var byKind: [Kind: Int] = [:]
    }

    private let current = Mutex(Changes())

    /// The changes of the current transaction; empty at its beginning.
    var changes: Changes {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }

    /// Adds changes of the current transaction.
    func add(_ counts: [TaskCountDelta]) {
        current.withLock { changes in
            for count in counts {
                let kind = Kind(state: count.state, endpoint: count.endpoint, account: count.account)
                changes.byKind[kind, default: 0] += count.change
            }
        }
    }

    /// Writes the changes, in the transaction that made them.
    func write(in db: Database) throws {
        let changes = changes.byKind
        for (kind, change) in changes where change != 0 {
            // The count never falls below zero: a count that was changed by hand must not make a write fail.
            try db.cachedStatement(
                sql: """
                    INSERT INTO task_count (state, endpoint, account, count) VALUES (?1, ?2, ?3, MAX(?4, 0))
                    ON CONFLICT (state, endpoint, account) DO UPDATE SET count = MAX(count + ?4, 0)
                    """
            ).execute(arguments: [kind.state.rawValue, kind.endpoint.text, kind.account.text, change])
        }
    }

    /// Counts again if the counts do not match the rows, as after changes by hand.
    static func correct(in db: Database) throws {
        let kept = "SELECT state, endpoint, account, count FROM task_count WHERE count > 0"
        // The same account as in ``TrackedTask/countedAccount``.
        let found = """
            SELECT state, endpoint, iif(state IN ('submitting', 'running', 'uncertain'), account, 'default') AS counted,
              COUNT(*)
            FROM task GROUP BY state, endpoint, counted
            """
        let differs = try Bool.fetchOne(
            db,
            sql: """
                SELECT EXISTS (SELECT * FROM (\(kept)) EXCEPT SELECT * FROM (\(found)))
                OR EXISTS (SELECT * FROM (\(found)) EXCEPT SELECT * FROM (\(kept)))
                """)
        guard differs ?? true else { return }
        try db.execute(sql: "DELETE FROM task_count; INSERT INTO task_count (state, endpoint, account, count) \(found)")
    }
}
