import NIOCore
import Synchronization

/// Cancels the waiting requests of a connection when the connection ends.
///
/// There is one per connection. It removes a request when its wait ends, because a connection may live for days.
final class ConnectionWatch: ChannelInboundHandler, RemovableChannelHandler, Sendable {
    typealias InboundIn = Any

    private struct State {
        var waits: [Int: @Sendable () -> Void] = [:]
        var nextID = 0
        var hasEnded = false
    }

    /// A closure that a connection calls when it ends.
    struct Registration {
        private let watch: ConnectionWatch?
        private let id: Int?

        init(_ watch: ConnectionWatch?, _ onEnd: @escaping @Sendable () -> Void) {
            self.watch = watch
            id = watch?.add(onEnd)
        }

        /// Removes the closure.
        func end() { if let id { watch?.remove(id) } }
    }

    private let state = Mutex(State())

    /// The number of waiting requests.
    var waiting: Int { state.withLock { $0.waits.count } }

    /// The watch of that connection; nil outside its event loop, as in tests without a connection.
    static func of(_ channel: any Channel) -> ConnectionWatch? {
        guard channel.eventLoop.inEventLoop else { return nil }
        let pipeline = channel.pipeline.syncOperations
        if let watch = try? pipeline.handler(type: ConnectionWatch.self) { return watch }
        let watch = ConnectionWatch()
        do {
            // First in the pipeline, because not all handlers forward the end of the connection.
            try pipeline.addHandler(watch, position: .first)
            if !channel.isActive { watch.end() }
        } catch {
            // The connection has ended and has no pipeline.
            watch.end()
        }
        return watch
    }

    /// Runs the body and cancels it when the connection ends.
    func whileConnected<Value: Sendable>(
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let (departures, departure) = AsyncStream<Void>.makeStream()
        let registration = Registration(self) { departure.finish() }
        defer { registration.end() }
        return try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                // The loop also ends when this task is cancelled.
                for await _ in departures {}
                return nil
            }
            var value: Value?
            while value == nil, let outcome = try await group.next() {
                value = outcome
                group.cancelAll()
            }
            guard let value else { throw CancellationError() }
            return value
        }
    }

    /// Nil if the connection has ended; then the closure is called at once.
    private func add(_ onEnd: @escaping @Sendable () -> Void) -> Int? {
        let id = state.withLock { state -> Int? in
            guard !state.hasEnded else { return nil }
            state.nextID += 1
            state.waits[state.nextID] = onEnd
            return state.nextID
        }
        if id == nil { onEnd() }
        return id
    }

    private func remove(_ id: Int) { state.withLock { _ = $0.waits.removeValue(forKey: id) } }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    private func end() {
        let waits = state.withLock { state in
            state.hasEnded = true
            return state.waits.values
        }
        for wait in waits { wait() }
    }
}
