import Foundation
import Synchronization

@testable import Sandbox

/// A clock that tests advance. Sleeping on it advances it and returns immediately.
final class ManualClock: Sendable {
    private let moment = Mutex(Date(timeIntervalSince1970: 1_760_000_000))

    var now: Date { moment.withLock { $0 } }

    func advance(by seconds: Double) { moment.withLock { $0 += seconds } }

    var sandboxClock: SandboxClock {
        SandboxClock(now: { self.now }, sleep: { self.advance(by: $0.inSeconds) })
    }
}
