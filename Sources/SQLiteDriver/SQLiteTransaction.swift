import GRDB
import TaskModel
import TaskStore

/// Rows on one connection, for as long as a transaction or read has it.
struct SQLiteTransaction: StoreTransaction {
    let db: Database
    let prepared: PreparedStatements
    /// Where counts are gathered until the commit; nil on a connection that only reads.
    let counter: TaskCounter?

    func add(_ counts: [TaskCountDelta]) throws { counter?.add(counts) }
}
