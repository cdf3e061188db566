import Hummingbird
import ServiceLifecycle

extension Request {
    /// The URL of the sandbox as the client reaches it, without a path.
    var origin: String { "http://\(head.authority ?? "127.0.0.1")" }

    /// Delays the request for a duration.
    ///
    /// Throws `CancellationError` when the client disconnects or the server shuts down first.
    func hold(for span: Duration, on clock: SandboxClock) async throws {
        try await cancelWhenGracefulShutdown {
            try await body.consumeWithCancellationOnInboundClose { _ in
                try await clock.sleep(span)
            }
        }
    }
}
