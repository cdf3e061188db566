import GRDB
import Synchronization

/// Connections for reads that take some 20 µs, each on its caller's own thread.
///
/// A read takes one that is idle, or opens another: there are as many as there are reads at this moment, which is no more
/// than the threads that run tasks, and a few are kept. Nobody waits for anybody. GRDB's pool had 4.5 % of all time in the
/// simulation, and taking a connection here next to none (measured with perf).
final class ShortReads: Sendable {
    private struct Connection: Sendable {
        let queue: DatabaseQueue
        let prepared = PreparedStatements()

        func close() throws {
            queue.inDatabase { _ in prepared.discard() }
            try queue.close()
        }
    }

    private struct State {
        var idle: [Connection] = []
        var isClosed = false
    }

    /// Idle connections that are kept; each may hold 4 MB of pages.
    static let mostIdle = 4

    private let path: String
    private let configuration: Configuration
    private let files: OpenedFiles
    private let state: Mutex<State>

    /// The number of idle connections.
    var idleCount: Int { state.withLock { $0.idle.count } }

    /// `first` is a connection to the same file that can only read.
    init(path: String, configuration: Configuration, files: OpenedFiles, first: DatabaseQueue) {
        self.path = path
        self.files = files
        var configuration = configuration
        configuration.readonly = true
        self.configuration = configuration
        state = Mutex(State(idle: [Connection(queue: first)]))
    }

    /// Without a transaction of its own: each statement sees the moment of its own beginning.
    func once<Value>(_ body: (Database) throws -> Value) throws -> Value {
        try once { db, _ in try body(db) }
    }

    /// The same with the connection's hot statements.
    func once<Value>(_ body: (Database, PreparedStatements) throws -> Value) throws -> Value {
        try with { connection in try connection.queue.unsafeRead { try body($0, connection.prepared) } }
    }

    /// From one consistent snapshot.
    func together<Value>(_ body: (Database, PreparedStatements) throws -> Value) throws -> Value {
        try with { connection in try connection.queue.read { try body($0, connection.prepared) } }
    }

    /// Closes what is idle, and the others as soon as their reads are over; nothing is read any more.
    func close() throws {
        let idle = state.withLock { state in
            state.isClosed = true
            defer { state.idle = [] }
            return state.idle
        }
        for connection in idle { try connection.close() }
    }

    private func with<Value>(_ body: (Connection) throws -> Value) throws -> Value {
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
        // Where the files were replaced, another database was opened, or none.
        try files.check()
        return try connection.get()
    }

    private func giveBack(_ connection: Connection) {
        let isKept = state.withLock { state in
            guard !state.isClosed, state.idle.count < Self.mostIdle else { return false }
            state.idle.append(connection)
            return true
        }
        // Deinitialisation closes it too.
        if !isKept { try? connection.close() }
    }
}
