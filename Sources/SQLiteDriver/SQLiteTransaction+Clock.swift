import FoundationEssentials
import TaskModel
import TaskStore

extension SQLiteTransaction {
    /// SQLite has no clock of its own.
    func now() throws -> Timestamp { Timestamp(Date()) }
}
