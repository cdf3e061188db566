import GRDB
import SQLiteRaw
import Synchronization

/// A pool of connections for short reads, each of which runs on its caller's thread.
///
/// A read takes an idle connection or opens another, so no read waits. There are as many connections as concurrent reads,
/// which is at most the number of threads that run tasks. The pool keeps a few idle ones. GRDB's own pool costs as much as
/// a quarter of such a read.
final class ReadConnectionPool: Sendable {
    private struct Connection: Sendable {
        let queue: DatabaseQueue
        let prepared = StatementCache()

        func close() throws {
            queue.inDatabase { _ in prepared.discard() }
            try queue.close()
        }
    }

    private struct State {
        var idle: [Connection] = []
        var isClosed = false
    }

    /// The most idle connections that are kept. Each may hold 4 MB of pages.
    static let mostIdle = 4

    private let path: String
    private let configuration: Configuration
    private let files: OpenedFiles
    private let state: Mutex<State>

    /// The number of idle connections.
    var idleCount: Int { state.withLock { $0.idle.count } }

    /// `first` is a read-only connection to the same file.
    init(path: String, configuration: Configuration, files: OpenedFiles, first: DatabaseQueue) {
        self.path = path
        self.files = files
        var configuration = configuration
        configuration.readonly = true
        self.configuration = configuration
        state = Mutex(State(idle: [Connection(queue: first)]))
    }

    /// Reads without a transaction: each statement sees the state of the database when the statement begins.
    func readUnisolated<Value>(_ body: (RawConnection) throws -> Value) throws -> Value {
        try withConnection { connection in
            try connection.queue.unsafeRead { try body(RawConnection($0, connection.prepared)) }
        }
    }

    /// Reads from one consistent snapshot.
    func readSnapshot<Value>(_ body: (RawConnection) throws -> Value) throws -> Value {
        try withConnection { connection in
            try connection.queue.read { try body(RawConnection($0, connection.prepared)) }
        }
    }

    /// Closes idle connections now and the others when their reads end. Later reads fail.
    func close() throws {
        let idle = state.withLock { state in
            state.isClosed = true
            defer { state.idle = [] }
            return state.idle
        }
        for connection in idle { try connection.close() }
    }

    private func withConnection<Value>(_ body: (Connection) throws -> Value) throws -> Value {
        let connection = try take()
        defer { giveBack(connection) }
        return try body(connection)
    }

    private func take() throws -> Connection {
        let idle = try state.withLock { state in
            guard !state.isClosed else {
                throw DatabaseError(resultCode: .SQLITE_MISUSE, message: "the store is closed")
            }
            return state.idle.popLast()
        }
        if let idle { return idle }
        let connection = Result { Connection(queue: try DatabaseQueue(path: path, configuration: configuration)) }
        // If the files were replaced, this opened another database or none.
        try files.check()
        return try connection.get()
    }

    private func giveBack(_ connection: Connection) {
        let isKept = state.withLock { state in
            guard !state.isClosed, state.idle.count < Self.mostIdle else { return false }
            state.idle.append(connection)
            return true
        }
        // An error is harmless: deinitialisation closes the connection too.
        if !isKept { try? connection.close() }
    }
}
