import Foundation

/// Runs blocking work on a thread of its own, so that the few threads of the tests stay free.
func onThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try work() }) }
    }
}

/// How many seconds anything may take, on a machine that is busy with other things too. Only a test that fails waits so
/// long; what is to be fast is measured by `scripts/run-benchmarks.sh`.
let patience = 120

/// Something that did not come in time.
struct TooLate: Error, CustomStringConvertible {
    let description: String
}

/// A value that threads wait for.
///
/// Unchecked, because a thread has to sleep on the change of a value, and `Mutex` has no condition to sleep on: `condition`
/// guards every access to `value`.
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

    /// What `pick` finds in the value, as soon as it finds something; throws when the time is over.
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
