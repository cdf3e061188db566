import Synchronization

/// How many bytes of one kind may be held in memory at once, over all that hold some.
///
/// Room is reserved before the bytes are kept. Nothing is borrowed from another budget. Who waits is served in order, and
/// the room of the first in line is not given to others, so that many small requests do not starve a large one.
package final class ByteBudget: Sendable {
    /// Room that is set aside until it is released or the last reference to it is gone.
    package final class Reservation: Sendable {
        private let budget: ByteBudget
        private let bytes: Mutex<Int>

        fileprivate init(_ bytes: Int, of budget: ByteBudget) {
            self.budget = budget
            self.bytes = Mutex(bytes)
        }

        deinit { release() }

        /// Sets more aside; false, with nothing changed, where there is no room for it, or where less than `spare` would be
        /// left to others.
        package func grow(by more: Int, leaving spare: Int = 0) -> Bool {
            bytes.withLock { bytes in
                guard budget.take(more, leaving: spare) else { return false }
                bytes += more
                return true
            }
        }

        /// Gives all of it back; a second call changes nothing.
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
        /// What must be free before it gets its room.
        let threshold: Int
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var used = 0
        var waiters: [Waiter] = []
        var nextID = 0
    }

    /// The most that is held at once, in bytes; only ``reserve(_:onceFree:)`` may exceed it.
    package let capacity: Int
    private let state = Mutex(State())

    package init(capacity: Int) {
        self.capacity = capacity
    }

    /// The bytes that are held now.
    package var used: Int { state.withLock { $0.used } }

    /// Sets room aside at once; nil where there is none, or where less than `spare` would be left to others.
    package func reserve(_ bytes: Int, leaving spare: Int = 0) -> Reservation? {
        take(bytes, leaving: spare) ? Reservation(bytes, of: self) : nil
    }

    /// Waits for its turn and until `threshold` bytes are free, then sets `bytes` aside, even where these are more.
    ///
    /// One that is larger than the budget gets through in this way: it exceeds the budget alone, by at most
    /// `bytes - threshold`, and all others wait until that is given back. Throws where the task is cancelled.
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
            // It may have been the first, whose room the next could use.
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
