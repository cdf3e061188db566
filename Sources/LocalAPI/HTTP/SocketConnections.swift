package import HummingbirdCore
package import NIOCore
import Synchronization

/// Limits the connections of a listener. Connections with an event stream do not count.
package final class SocketConnections: Sendable {
    private struct State {
        var open = 0
        var streams = 0
        var server: (any Channel)?
        /// Whether a connection waits in the kernel's queue until there is room.
        var isFull = false
    }

    private let state = Mutex(State())
    private let limit: Int

    package init(limit: Int) {
        self.limit = limit
    }

    /// Sets the server that owns these connections.
    package func begin(_ server: any Channel) { state.withLock { $0.server = server } }

    /// Whether another connection may be accepted.
    fileprivate func hasRoom() -> Bool {
        state.withLock { state in
            state.isFull = state.open - state.streams >= limit
            return !state.isFull
        }
    }

    fileprivate func count(_ change: Int) { state.withLock { $0.open += change } }

    /// Records that a connection has become a stream, which makes room for another one.
    func beginStream() {
        let server = state.withLock { state -> (any Channel)? in
            state.streams += 1
            return state.isFull ? state.server : nil
        }
        server?.read()
    }

    /// Records that a stream has ended.
    func endStream() { state.withLock { $0.streams -= 1 } }

    /// Tells the server whether there is room.
    package var delegate: some AvailableConnectionsDelegate { Delegate(connections: self) }

    private struct Delegate: AvailableConnectionsDelegate {
        let connections: SocketConnections

        func connectionOpened() { connections.count(1) }
        func connectionClosed() { connections.count(-1) }
        func isAcceptingNewConnections() -> Bool { connections.hasRoom() }
    }
}
