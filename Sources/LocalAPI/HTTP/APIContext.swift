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

    /// Ends the connection, whatever waits for it: a write whose reader has gone to sleep ends with it.
    func disconnect() { channel.close(mode: .all, promise: nil) }

    /// Runs a long wait, and cancels it when the client has gone: nobody is there to be told, and others want the place.
    func whileConnected<Value: Sendable>(
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        // A task of its own, because only that can be cancelled from the event loop.
        let waiting = Task { try await body() }
        channel.closeFuture.whenComplete { _ in waiting.cancel() }
        return try await withTaskCancellationHandler {
            try await waiting.value
        } onCancel: {
            waiting.cancel()
        }
    }
}
