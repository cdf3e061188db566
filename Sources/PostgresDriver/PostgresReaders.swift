import StoreSQL
import Synchronization
import TaskStore

/// Connections for reading. A read waits while all of them are in use.
final class PostgresReaders: Sendable {
    private struct State {
        var idle: [ConnectionSlot]
        var waiting: [@Sendable (ConnectionSlot) -> Void] = []
    }

    private let slots: [ConnectionSlot]
    private let state: Mutex<State>

    init(_ options: PostgresOptions, count: Int, name: String) {
        slots = (1...count).map { ConnectionSlot(options, name: "\(name).\($0)") }
        state = Mutex(State(idle: slots))
    }

    /// Reads on the thread of a connection, also when the caller is cancelled.
    ///
    /// A single statement runs without a transaction. It sees all commits that were reported before it began.
    func read<Value: Sendable>(
        inTransaction isTransaction: Bool, _ body: @escaping @Sendable (any StoreSnapshot) throws -> Value
    ) async throws -> Value {
        try await perform(inTransaction: isTransaction) { try body(SQLTransaction($0)) }
    }

    /// Runs statements that only read.
    func perform<Value: Sendable>(
        inTransaction isTransaction: Bool = false, _ body: @escaping @Sendable (PostgresConnection) throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            take { slot in
                do {
                    try slot.perform { connection in
                        if isTransaction { try connection.beginRead() }
                        // The caller need not wait for the end of the transaction.
                        defer { connection.rollBack() }
                        continuation.resume(returning: try body(connection))
                    }
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        }
    }

    func close() async { for slot in slots { await slot.close() } }

    /// Runs work on a connection that is idle, or on the next one that will be.
    private func take(_ work: @escaping @Sendable (ConnectionSlot) -> Void) {
        let slot = state.withLock { state in
            let slot = state.idle.popLast()
            if slot == nil { state.waiting.append(work) }
            return slot
        }
        guard let slot else { return }
        slot.run { [self] in
            var next: (@Sendable (ConnectionSlot) -> Void)? = work
            while let work = next {
                work(slot)
                next = state.withLock { state in
                    guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
                    state.idle.append(slot)
                    return nil
                }
            }
        }
    }
}
