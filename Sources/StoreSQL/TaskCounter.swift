import Synchronization
import TaskModel
package import TaskStore

/// Maintains `task_count`: collects the changes of one transaction, and writes them before its commit.
///
/// The writer has only one, because it runs one transaction at a time.
package final class TaskCounter: Sendable {
    /// The key of a count.
    fileprivate struct Kind: Hashable {
        let state: TaskState
        let endpoint: EndpointName
        let account: AccountName
    }

    /// The changes of a transaction so far. They are restored when a savepoint is undone.
    package struct Changes: Sendable {
        fileprivate var byKind: [Kind: Int] = [:]

        package init() {}
    }

    private let current = Mutex(Changes())

    /// The changes of the current transaction; empty at its beginning.
    package var changes: Changes {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }

    package init() {}

    /// Adds changes of the current transaction.
    package func add(_ counts: [TaskCountDelta]) {
        current.withLock { changes in
            for count in counts {
                let kind = Kind(state: count.state, endpoint: count.endpoint, account: count.account)
                changes.byKind[kind, default: 0] += count.change
            }
        }
    }

    /// Writes the changes, in the transaction that made them.
    package func write(in connection: any SQLConnection) throws {
        let changes = changes.byKind
        for (kind, change) in changes where change != 0 {
            // The count never falls below zero: a count that was changed by hand must not make a write fail.
            try connection.execute(
                """
                INSERT INTO task_count (state, endpoint, account, count) VALUES (?1, ?2, ?3, ?4)
                ON CONFLICT (state, endpoint, account) DO UPDATE SET
                  count = \(connection.dialect.greatest("task_count.count + ?5", "0"))
                """,
                [
                    .text(kind.state.rawValue), .text(kind.endpoint.text), .text(kind.account.text),
                    ColumnValue(max(change, 0)), ColumnValue(change),
                ])
        }
    }

    /// Counts again if the counts do not match the rows, as after changes by hand.
    package static func correct(in connection: any SQLConnection) throws {
        let kept = "SELECT state, endpoint, account, count FROM task_count WHERE count > 0"
        // The same account as in ``TrackedTask/countedAccount``.
        let found = """
            SELECT state, endpoint,
              CASE WHEN state IN ('submitting', 'running', 'uncertain') THEN account ELSE 'default' END AS counted,
              COUNT(*)
            FROM task GROUP BY state, endpoint, counted
            """
        let differs = try connection.integer(
            """
            SELECT EXISTS (SELECT * FROM (\(kept)) AS kept EXCEPT SELECT * FROM (\(found)) AS found)
            OR EXISTS (SELECT * FROM (\(found)) AS found EXCEPT SELECT * FROM (\(kept)) AS kept)
            """)
        guard differs != 0 else { return }
        try connection.execute("DELETE FROM task_count")
        try connection.execute("INSERT INTO task_count (state, endpoint, account, count) \(found)")
    }
}
