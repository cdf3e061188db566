import GRDB
import Synchronization
import TaskModel
import TaskStore

/// Keeps `task_count` right: gathers what the writes of one transaction change, and writes it at their end.
///
/// Only one transaction is under way at a time, so there is one of these for the one writer.
final class TaskCounter: Sendable {
    /// What is counted apart.
    fileprivate struct Kind: Hashable {
        let state: TaskState
        let endpoint: EndpointName
    }

    /// What a transaction has changed so far; given back where part of it is undone.
    struct Changes: Sendable {
        fileprivate var byKind: [Kind: Int] = [:]
    }

    private let current = Mutex(Changes())

    /// What the transaction has changed so far; empty at its beginning.
    var changes: Changes {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }

    /// The transaction changes these counts.
    func add(_ counts: [TaskCountDelta]) {
        current.withLock { changes in
            for count in counts {
                changes.byKind[Kind(state: count.state, endpoint: count.endpoint), default: 0] += count.change
            }
        }
    }

    /// Writes down what has changed, in the transaction that changed it.
    func write(in db: Database) throws {
        let changes = changes.byKind
        for (kind, change) in changes where change != 0 {
            // Never below none: a count that somebody has spoilt by hand is no reason to refuse a task.
            try db.cachedStatement(
                sql: """
                    INSERT INTO task_count (state, endpoint, count) VALUES (?1, ?2, MAX(?3, 0))
                    ON CONFLICT (state, endpoint) DO UPDATE SET count = MAX(count + ?3, 0)
                    """
            ).execute(arguments: [kind.state.rawValue, kind.endpoint.text, change])
        }
    }

    /// Counts anew where the counts are not those of the rows, as after somebody's own SQL.
    static func correct(in db: Database) throws {
        let kept = "SELECT state, endpoint, count FROM task_count WHERE count > 0"
        let found = "SELECT state, endpoint, COUNT(*) FROM task GROUP BY state, endpoint"
        let differs = try Bool.fetchOne(
            db,
            sql: """
                SELECT EXISTS (SELECT * FROM (\(kept)) EXCEPT SELECT * FROM (\(found)))
                OR EXISTS (SELECT * FROM (\(found)) EXCEPT SELECT * FROM (\(kept)))
                """)
        guard differs ?? true else { return }
        try db.execute(sql: "DELETE FROM task_count; INSERT INTO task_count (state, endpoint, count) \(found)")
    }
}
