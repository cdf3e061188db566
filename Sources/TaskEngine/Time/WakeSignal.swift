import Synchronization
package import TaskModel

/// Wakes one waiter early, as a hint that there may be work.
///
/// A signal without a waiter ends the next wait. A lost signal costs only time, because the due time is in the store.
package final class WakeSignal: Sendable {
    private enum State {
        case idle
        case signalled
        case waiting(CheckedContinuation<Void, Never>)
    }

    private let state = Mutex(State.idle)

    package init() {}

    /// Ends the current wait, or the next one.
    package func signal() {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            defer { if case .waiting = state { state = .idle } else { state = .signalled } }
            if case .waiting(let continuation) = state { return continuation }
            return nil
        }
        waiter?.resume()
    }

    /// Whether the next wait ends at once.
    var isSignalled: Bool {
        state.withLock { if case .signalled = $0 { true } else { false } }
    }

    /// Consumes a pending signal, as a wait would.
    func takeSignal() {
        state.withLock { if case .signalled = $0 { $0 = .idle } }
    }

    /// Waits until that time, for a signal, or until the task is cancelled.
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

/// The wake signals of the loops.
struct WakeSignals: Sendable {
    let submitter = WakeSignal()
    let polls = WakeSignal()
    let lookups = WakeSignal()
    let deadlines = WakeSignal()
    let retention = WakeSignal()
    let artefacts = WakeSignal()
    let artefactRemoval = WakeSignal()
    let notifications = WakeSignal()
    let reconciliation = WakeSignal()
    let leases = WakeSignal()
    let following = WakeSignal()

    /// Wakes all loops.
    func signalAll() {
        let all = [
            submitter, polls, lookups, deadlines, retention, artefacts, artefactRemoval, notifications, reconciliation,
            leases, following,
        ]
        for wake in all { wake.signal() }
    }
}
