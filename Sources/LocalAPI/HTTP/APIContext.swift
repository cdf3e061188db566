package import Hummingbird
import NIOCore

/// What a route knows of its request beyond the request itself: the connection, to see when its client leaves.
package struct APIContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    private let channel: any Channel

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }

    /// Runs a long wait, and cancels it when the client has left.
    func whileConnected<Value: Sendable>(
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        guard let watch = ConnectionWatch.of(channel) else { return try await body() }
        return try await watch.whileConnected(body)
    }
}
