import Hummingbird
import ServiceLifecycle

extension Request {
    /// Keeps the request waiting for a span.
    ///
    /// Throws `CancellationError` when the client leaves or the server shuts down first, so nothing is held longer
    /// than somebody waits for it.
    func hold(for span: Duration, on clock: SandboxClock) async throws {
        try await cancelWhenGracefulShutdown {
            try await body.consumeWithCancellationOnInboundClose { _ in
                try await clock.sleep(span)
            }
        }
    }
}
