import Dispatch
import Synchronization
import TaskStore

/// A thread with one connection, which is made when it is needed and again after it was lost.
final class ConnectionSlot: Sendable {
    private struct State {
        var connection: PostgresConnection?
        var failure: Failure?
        var isClosed = false
    }

    /// Why the latest try to connect failed.
    struct Failure {
        let error: PostgresError
        /// Until when no other try is made. The time doubles with each failure in a row.
        let end: ContinuousClock.Instant
        fileprivate let pause: Duration
    }

    private static let firstPause: Duration = .milliseconds(100)
    private static let longestPause: Duration = .seconds(5)
    /// How often a transaction runs at most.
    private static let mostRuns = 3

    private let queue: DispatchQueue
    private let options: PostgresOptions
    private let state = Mutex(State())

    init(_ options: PostgresOptions, name: String) {
        self.options = options
        // A serial queue has a thread while it works, so waiting for the server blocks no thread of Swift's tasks.
        queue = DispatchQueue(label: "pollux.postgres.\(name)")
    }

    /// The failure to connect, if there is no connection because of it.
    var failure: Failure? { state.withLock { $0.failure } }

    /// Runs work on the slot's thread, after the work before it.
    func run(_ work: @escaping @Sendable () -> Void) { queue.async(execute: work) }

    /// Runs a transaction on the connection. It runs again if it was certainly undone and may succeed now: after a conflict, and
    /// on a new connection if the old one was lost. Call it on the slot's thread only.
    func perform<Value>(_ transaction: (PostgresConnection) throws -> Value) throws -> Value {
        for run in 1...Self.mostRuns {
            // Without a server there is nothing to run again.
            let connection = try connected()
            defer { if !connection.isReady { state.withLock { $0.connection = nil } } }
            do {
                return try transaction(connection)
            } catch let error as PostgresError
                where run < Self.mostRuns && (error.isTransient || error.effect == .connectionLost)
            {}
        }
        preconditionFailure("the last run returns or throws")
    }

    /// Closes the connection after the work before it. Later work fails.
    func close() async {
        await withCheckedContinuation { continuation in
            run { [self] in
                state.withLock { $0 = State(isClosed: true) }
                continuation.resume()
            }
        }
    }

    private func connected() throws(PostgresError) -> PostgresConnection {
        let (connection, failure, isClosed) = state.withLock { ($0.connection, $0.failure, $0.isClosed) }
        if isClosed { throw PostgresError("the store is closed") }
        if let connection { return connection }
        if let failure, failure.end > .now { throw failure.error }
        do {
            let connection = try PostgresConnection(options)
            try connection.beginPipeline()
            state.withLock { $0 = State(connection: connection) }
            return connection
        } catch {
            let pause = failure.map { min($0.pause * 2, Self.longestPause) } ?? Self.firstPause
            state.withLock { $0.failure = Failure(error: error, end: .now + pause, pause: pause) }
            throw error
        }
    }
}
