import GRDB
import TaskStore

@testable import SQLiteDriver

extension SQLiteDriver {
    /// The store on this database.
    var verbs: TaskStore { TaskStore(self) }

    /// Runs a write.
    func write<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(TaskStoreError) -> Value {
        do { return try await writer.write(body) } catch { throw TaskStoreError(translating: error) }
    }
}
