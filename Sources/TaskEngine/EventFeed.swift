import Synchronization
import TaskModel

/// Wakes clients that wait for a task when something happened to it.
///
/// Carries no data: whoever is woken reads the store.
final class EventFeed: Sendable {
    private struct Waiter {
        let id: UInt64
        let signal: WakeSignal
    }

    private struct State {
        var waiters: [TaskID: [Waiter]] = [:]
        var count = 0
        var nextID: UInt64 = 0
        var isClosing = false
    }

    private let state = Mutex(State())

    /// How many clients wait.
    var waiting: Int { state.withLock { $0.count } }

    /// Something about the task is on disk.
    func publish(_ task: TaskID) {
        for waiter in state.withLock({ $0.waiters[task] }) ?? [] { waiter.signal.nudge() }
    }

    /// Something about any task may be on disk.
    func publishAll() {
        for waiter in state.withLock({ $0.waiters.values.flatMap { $0 } }) { waiter.signal.nudge() }
    }

    /// Whether the daemon stops, so that nobody should wait any more, nor anything be begun.
    var isClosing: Bool { state.withLock { $0.isClosing } }

    /// Ends all waits, since the daemon stops.
    func close() {
        let waiters = state.withLock { state in
            state.isClosing = true
            return state.waiters.values.flatMap { $0 }
        }
        for waiter in waiters { waiter.signal.nudge() }
    }

    /// Lends a signal that is nudged on every change of the task while `body` runs.
    ///
    /// Registered before `body` begins, so a change after its first read is never missed.
    func subscribed<Value, Failure>(
        to task: TaskID, _ body: (WakeSignal) async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let signal = WakeSignal()
        let id = state.withLock { state in
            state.nextID += 1
            state.count += 1
            state.waiters[task, default: []].append(Waiter(id: state.nextID, signal: signal))
            return state.nextID
        }
        defer {
            state.withLock { state in
                state.count -= 1
                state.waiters[task]?.removeAll { $0.id == id }
                if state.waiters[task]?.isEmpty == true { state.waiters[task] = nil }
            }
        }
        return try await body(signal)
    }
}
