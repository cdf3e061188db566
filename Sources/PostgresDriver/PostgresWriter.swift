import StoreSQL
import Synchronization
import TaskStore

/// The writer of this process. Writes that arrive during a commit share the next one.
///
/// An uncontended write starts immediately. Writes run in the order of their arrival, and each returns after the shared commit
/// is on disk. If one write fails, the group runs again with a savepoint per write, and only the failed write is undone. So
/// a write may run several times and must depend only on the database.
///
/// If the commit fails, every write of the group fails. If the connection is lost after the COMMIT was sent, the error is
/// ``TaskStoreError/unknown``.
final class PostgresWriter: Sendable {
    /// The work of one caller, and the report of its outcome.
    private struct Write: Sendable {
        /// Does the work. The returned closure reports success and runs after the commit.
        let attempt: @Sendable (PostgresConnection) throws -> @Sendable () -> Void
        let fail: @Sendable (any Error) -> Void
    }

    private struct Queue {
        var waiting: [Write] = []
        /// Whether a commit is running; the waiting writes follow it.
        var isServed = false
    }

    /// The maximum number of writes in one commit.
    static let mostInGroup = 256
    /// How long a group takes more writes. The writers of other machines wait meanwhile.
    static let longestGroup: Duration = .milliseconds(20)

    let slot: ConnectionSlot
    /// Collects the counts that the writes of a transaction change.
    private let counter = TaskCounter()
    private let queue = Mutex(Queue())

    /// Called after each commit that has added rows with numbers, such as lines of the log.
    private let onNewRows: @Sendable () -> Void

    init(_ slot: ConnectionSlot, onNewRows: @escaping @Sendable () -> Void = {}) {
        self.slot = slot
        self.onNewRows = onNewRows
    }

    /// Runs one write to its end, even if the caller is cancelled, and returns after it is on disk.
    ///
    /// `committed` is called on the writer's thread after the commit, in the order of the writes.
    func write<Value: Sendable>(
        _ body: @escaping @Sendable (any StoreTransaction) throws -> Value,
        committed: @escaping @Sendable (Value) -> Void = { _ in }
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let write = Write(
                attempt: { [counter] connection in
                    let value = try body(SQLTransaction(connection, counter: counter))
                    return {
                        committed(value)
                        continuation.resume(returning: value)
                    }
                },
                fail: { continuation.resume(throwing: $0) })
            let isFirst = queue.withLock { queue in
                queue.waiting.append(write)
                defer { queue.isServed = true }
                return !queue.isServed
            }
            if isFirst { slot.run { [self] in while serveGroup() {} } }
        }
    }

    /// Commits one group; returns whether more writes wait.
    private func serveGroup() -> Bool {
        var group = queue.withLock { queue in
            let group = Array(queue.waiting.prefix(Self.mostInGroup))
            queue.waiting.removeFirst(group.count)
            return group
        }
        do {
            let outcomes = try slot.perform { connection in try commit(&group, on: connection) }
            for outcome in outcomes { outcome() }
        } catch {
            for write in group { write.fail(error) }
        }
        return queue.withLock { queue in
            queue.isServed = !queue.waiting.isEmpty
            return queue.isServed
        }
    }

    private func commit(_ group: inout [Write], on connection: PostgresConnection) throws -> [@Sendable () -> Void] {
        do {
            return try commitAsOne(&group, on: connection)
        } catch let error as PostgresError where error.isTransient || error.effect == .connectionLost {
            throw error
        } catch  where group.count > 1 && error as? TaskStoreError != .unknown {
            return try commitInSavepoints(group, on: connection)
        }
    }

    /// Commits the group without savepoints, each of which costs a round trip. Nothing is stored if a write fails.
    private func commitAsOne(_ group: inout [Write], on connection: PostgresConnection) throws -> [@Sendable () -> Void]
    {
        try inTransaction(on: connection) {
            let end = ContinuousClock.now + Self.longestGroup
            var outcomes: [@Sendable () -> Void] = []
            for write in group {
                if !outcomes.isEmpty, ContinuousClock.now > end { break }
                outcomes.append(try write.attempt(connection))
            }
            putBack(group[outcomes.count...])
            group.removeSubrange(outcomes.count...)
            return outcomes
        }
    }

    /// Commits the group with a savepoint per write, so that only a failed write is undone.
    private func commitInSavepoints(_ group: [Write], on connection: PostgresConnection) throws
        -> [@Sendable () -> Void]
    {
        try inTransaction(on: connection) {
            try connection.finish()
            return try group.map { write in
                let before = counter.changes
                do {
                    return try connection.inSavepoint { try write.attempt(connection) }
                } catch let error as PostgresError where error.isTransient || error.effect == .connectionLost {
                    throw error
                } catch {
                    counter.changes = before
                    return { write.fail(error) }
                }
            }
        }
    }

    private func inTransaction<Value>(on connection: PostgresConnection, _ body: () throws -> Value) throws -> Value {
        do {
            try connection.beginWrite()
            counter.changes = TaskCounter.Changes()
            let value = try body()
            try counter.write(in: connection)
            try connection.commit()
            if connection.numbers.wereGiven { onNewRows() }
            return value
        } catch {
            connection.rollBack()
            throw error
        }
    }

    /// Puts writes that were not run back to the front of the queue.
    private func putBack(_ rest: ArraySlice<Write>) {
        queue.withLock { $0.waiting.insert(contentsOf: rest, at: 0) }
    }
}
