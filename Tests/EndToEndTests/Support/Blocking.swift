import Foundation

/// Runs blocking work on a new thread, so that the test threads stay free.
func onThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try work() }) }
    }
}

/// The timeout in seconds of every wait, sized for a busy machine. Only failing tests wait this long; speed is
/// measured by `scripts/run-benchmarks.sh`.
let patience = 120

/// A wait that timed out.
struct TooLate: Error, CustomStringConvertible {
    let description: String
}

/// A value whose changes threads can wait for.
///
/// Unchecked, because waiting needs a condition variable, which `Mutex` lacks. `condition` guards all access to
/// `value`.
final class Watched<Value: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    private var value: Value

    init(_ value: Value) {
        self.value = value
    }

    var current: Value { condition.withLock { value } }

    func change(_ body: (inout Value) -> Void) {
        condition.withLock {
            body(&value)
            condition.broadcast()
        }
    }

    /// Waits until `pick` returns a result for the value. Throws at the timeout.
    @discardableResult
    func wait<Found: Sendable>(
        for what: String, within seconds: Double, _ pick: @escaping @Sendable (Value) -> Found?
    ) async throws -> Found {
        try await onThread { [self] in
            let deadline = Date(timeIntervalSinceNow: seconds)
            condition.lock()
            defer { condition.unlock() }
            while true {
                if let found = pick(value) { return found }
                guard condition.wait(until: deadline) else {
                    if let found = pick(value) { return found }
                    throw TooLate(description: "\(what) did not come within \(seconds) s")
                }
            }
        }
    }
}
