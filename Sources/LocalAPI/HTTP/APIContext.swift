package import Hummingbird
import NIOCore

/// Gives a route its connection, so that the route notices when the client disconnects.
package struct APIContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    let channel: any Channel

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }

    /// Runs the body and cancels it when the client disconnects.
    func whileConnected<Value: Sendable>(
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        guard let watch = ConnectionWatch.of(channel) else { return try await body() }
        return try await watch.whileConnected(body)
    }

    /// Calls the closure when the client disconnects, until the returned watch ends.
    func watchConnection(_ onEnd: @escaping @Sendable () -> Void) -> ConnectionWatch.Registration {
        ConnectionWatch.Registration(ConnectionWatch.of(channel), onEnd)
    }

    /// Closes the connection without waiting for pending writes.
    func breakConnection() { channel.close(promise: nil) }
}
