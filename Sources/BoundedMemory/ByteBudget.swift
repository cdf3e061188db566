import Synchronization

/// Limits the bytes that its users hold in memory together.
///
/// Users reserve bytes before they keep them. Waiters are served in order. The bytes that the first waiter needs are
/// not given to others, so many small requests do not starve a large one.
package final class ByteBudget: Sendable {
    /// Reserved bytes. They are released by `release()` or with the last reference.
    package final class Reservation: Sendable {
        private let budget: ByteBudget
        private let bytes: Mutex<Int>

        fileprivate init(_ bytes: Int, of budget: ByteBudget) {
            self.budget = budget
            self.bytes = Mutex(bytes)
        }

        deinit { release() }

        /// Reserves more bytes. Returns false and changes nothing if fewer than `spare` would stay free.
        package func grow(by more: Int, leaving spare: Int = 0) -> Bool {
            bytes.withLock { bytes in
                guard budget.take(more, leaving: spare) else { return false }
                bytes += more
                return true
            }
        }

        /// Releases all bytes. A second call has no effect.
        package func release() {
            budget.giveBack(
                bytes.withLock { bytes in
                    defer { bytes = 0 }
                    return bytes
                })
        }
    }

    private struct Waiter {
        let id: Int
        let bytes: Int
        /// The number of bytes that must be free before this waiter is served.
        let threshold: Int
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var used = 0
        var waiters: [Waiter] = []
        var nextID = 0
    }

    /// The limit in bytes. Only ``reserve(_:onceFree:)`` may exceed it.
    package let capacity: Int
    private let state = Mutex(State())

    package init(capacity: Int) {
        self.capacity = capacity
    }

    /// The number of reserved bytes.
    package var used: Int { state.withLock { $0.used } }

    /// Reserves bytes without waiting. Returns nil if fewer than `spare` would stay free.
    package func reserve(_ bytes: Int, leaving spare: Int = 0) -> Reservation? {
        take(bytes, leaving: spare) ? Reservation(bytes, of: self) : nil
    }

    /// Waits in line until `threshold` bytes are free, then reserves `bytes`, even if this exceeds the budget.
    ///
    /// A reservation larger than the budget exceeds it by at most `bytes - threshold`. All others then wait for its
    /// release. Throws when the task is cancelled.
    package func reserve(_ bytes: Int, onceFree threshold: Int) async throws(CancellationError) -> Reservation {
        let threshold = min(bytes, threshold, capacity)
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        let isGranted = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer = state.withLock { state -> Bool? in
                    if Task.isCancelled { return false }
                    if state.waiters.isEmpty, state.used + threshold <= capacity {
                        state.used += bytes
                        return true
                    }
                    state.waiters.append(
                        Waiter(id: id, bytes: bytes, threshold: threshold, continuation: continuation))
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let left = state.withLock { state in
                state.waiters.firstIndex { $0.id == id }.map { state.waiters.remove(at: $0) }
            }
            left?.continuation.resume(returning: false)
            // The cancelled waiter may have been the first, so the next one may now be served.
            giveBack(0)
        }
        guard isGranted else { throw CancellationError() }
        return Reservation(bytes, of: self)
    }

    private func take(_ bytes: Int, leaving spare: Int) -> Bool {
        state.withLock { state in
            let kept = max(spare, state.waiters.first?.threshold ?? 0)
            guard state.used + bytes + kept <= capacity else { return false }
            state.used += bytes
            return true
        }
    }

    private func giveBack(_ bytes: Int) {
        let served = state.withLock { state in
            state.used -= bytes
            var served: [Waiter] = []
            while let first = state.waiters.first, state.used + first.threshold <= capacity {
                state.used += first.bytes
                served.append(state.waiters.removeFirst())
            }
            return served
        }
        for waiter in served { waiter.continuation.resume(returning: true) }
    }
}
