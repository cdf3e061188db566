import Synchronization
package import TaskModel

/// A hint without data that there may be something to do sooner than planned.
///
/// A hint given while nobody waits is kept for the next wait. Losing one would only cost time: the due time in the
/// store finds the work anyway. One waiter at a time.
package final class WakeSignal: Sendable {
    private enum State {
        case idle
        case signalled
        case waiting(CheckedContinuation<Void, Never>)
    }

    private let state = Mutex(State.idle)

    package init() {}

    /// Ends the wait under way, or the next one.
    package func signal() {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            defer { if case .waiting = state { state = .idle } else { state = .signalled } }
            if case .waiting(let continuation) = state { return continuation }
            return nil
        }
        waiter?.resume()
    }

    /// Whether there was a hint for which nobody has waited yet.
    var isSignalled: Bool {
        state.withLock { if case .signalled = $0 { true } else { false } }
    }

    /// Takes that hint, as a wait would.
    func takeSignal() {
        state.withLock { if case .signalled = $0 { $0 = .idle } }
    }

    /// Returns at that point, on a nudge, or when the task is cancelled.
    package func wait(until point: Timestamp, on time: any TimeSource) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.signalled() }
            group.addTask { await time.sleep(until: point) }
            await group.next()
            group.cancelAll()
        }
    }

    private func signalled() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state -> Bool in
                    if case .signalled = state {
                        state = .idle
                        return true
                    }
                    if Task.isCancelled { return true }
                    state = .waiting(continuation)
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
                guard case .waiting(let continuation) = state else { return nil }
                state = .idle
                return continuation
            }
            waiter?.resume()
        }
    }
}
