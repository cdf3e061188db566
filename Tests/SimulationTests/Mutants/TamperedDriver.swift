import GRDB
import TaskStore
import TaskTesting

/// A database whose file is changed from outside, for defects that the store itself prevents.
struct TamperedDriver: DriverWrapper {
    let base: any StoreDriver
    /// The SQL that runs before and after each write.
    let before: String?
    let after: String?
    /// The only method around which it runs; nil for all writes.
    let verb: String?
    private let file: DatabaseQueue

    init(_ base: any StoreDriver, path: String, before: String?, after: String?, around verb: String?) throws {
        self.base = base
        self.before = before
        self.after = after
        self.verb = verb
        file = try DatabaseQueue(path: path)
    }

    func around<Value: Sendable>(
        _ call: StoreCall, _ body: () async throws(TaskStoreError) -> Value
    ) async throws(TaskStoreError) -> Value {
        guard call.isWrite, verb == nil || call.words == verb else { return try await body() }
        try await run(before)
        do throws(TaskStoreError) {
            let value = try await body()
            try await run(after)
            return value
        } catch {
            try await run(after)
            throw error
        }
    }

    private func run(_ sql: String?) async throws(TaskStoreError) {
        guard let sql else { return }
        do { try await file.write { db in try db.execute(sql: sql) } } catch { throw .failed("\(error)") }
    }
}
