package import Foundation

/// The time source of the sandbox.
///
/// Tests pass a manual clock so that nothing sleeps.
package struct SandboxClock: Sendable {
    /// The current time.
    package var now: @Sendable () -> Date
    /// Waits for a duration. Throws `CancellationError` when cancelled.
    package var sleep: @Sendable (Duration) async throws -> Void

    /// Creates a clock from two closures.
    package init(
        now: @escaping @Sendable () -> Date, sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.now = now
        self.sleep = sleep
    }

    /// The system clock.
    package static let system = SandboxClock(now: { Date() }, sleep: { try await Task.sleep(for: $0) })
}

extension Duration {
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
