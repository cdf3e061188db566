package import Foundation

/// Where the sandbox gets the time and how it waits.
///
/// Tests pass a hand-moved clock, so that nothing in them sleeps.
package struct SandboxClock: Sendable {
    /// The present moment.
    package var now: @Sendable () -> Date
    /// Waits for a span; throws `CancellationError` when cancelled meanwhile.
    package var sleep: @Sendable (Duration) async throws -> Void

    /// A clock made of two closures.
    package init(
        now: @escaping @Sendable () -> Date, sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.now = now
        self.sleep = sleep
    }

    /// The machine's own clock.
    package static let system = SandboxClock(now: { Date() }, sleep: { try await Task.sleep(for: $0) })
}

extension Duration {
    /// The span in seconds.
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
