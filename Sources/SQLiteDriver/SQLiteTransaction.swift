import GRDB
import SQLiteRaw
import TaskModel
import TaskStore

/// A statement that runs with nearly every request.
enum CachedStatement: Hashable {
    case taskByID
    case taskByKey
    case taskWithPayload
    case insertTask
    /// Updates a task in that state. The bits select the columns of ``TaskRow/mutableColumns``.
    case updateTask(columns: UInt64, from: TaskState)
}

/// The cached statements of one connection.
typealias CachedStatements = StatementCache<CachedStatement>

/// The row primitives on one connection, during one transaction or read.
struct SQLiteTransaction: StoreTransaction {
    let db: Database
    let prepared: CachedStatements
    /// Collects changes of counts until the commit; nil on a read-only connection.
    let counter: TaskCounter?

    func add(_ counts: [TaskCountDelta]) throws { counter?.add(counts) }
}
