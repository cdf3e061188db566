import Synchronization
import TaskEngine
package import TaskModel

/// A clock that a test advances.
///
/// Real time never ends a sleep; only ``advance(by:)``, ``set(to:)`` and ``setWallClock(by:)`` do.
package final class ManualTimeSource: TimeSource {
    private struct State {
        var now: Timestamp
        var elapsed = Duration.zero
        var nextID = 0
        var sleepers: [Int: (point: Timestamp, end: Duration, continuation: CheckedContinuation<Void, Never>)] = [:]
        var watchers: [Int: (count: Int, continuation: CheckedContinuation<Void, Never>)] = [:]
    }

    private let state: Mutex<State>

    /// A time in 2026, the reference of the tests.
    package static let start = Timestamp(milliseconds: 1_795_000_000_000)

    /// Starts at that time.
    package init(_ now: Timestamp = ManualTimeSource.start) {
        state = Mutex(State(now: now))
    }

    package func now() -> Timestamp { state.withLock { $0.now } }

    package func elapsed() -> Duration { state.withLock { $0.elapsed } }

    /// Advances the clock and ends the sleeps that are due.
    package func advance(by duration: Duration) { set(to: now() + duration) }

    /// Advances the clock to that point and ends the sleeps that are due. An earlier point sets the wall clock back.
    package func set(to point: Timestamp) { show(point, after: max(point - now(), .zero)) }

    /// Sets the wall clock, as a person or a time server does. No time passes.
    package func setWallClock(by jump: Duration) { show(now() + jump, after: .zero) }

    private func show(_ point: Timestamp, after passed: Duration) {
        let due = state.withLock { state in
            state.now = point
            state.elapsed += passed
            let due = state.sleepers.filter { $0.value.point <= point || $0.value.end <= state.elapsed }
            for id in due.keys { state.sleepers[id] = nil }
            return due.values.sorted { $0.point < $1.point }
        }
        for sleeper in due { sleeper.continuation.resume() }
    }

    /// The end times of the current sleeps, earliest first.
    package var sleepingUntil: [Timestamp] { state.withLock { $0.sleepers.values.map(\.point).sorted() } }

    /// Returns once that many tasks sleep, for example because a loop is idle. Also returns when the test's time limit
    /// cancels it.
    package func untilSleeping(_ count: Int = 1) async {
        let id = newID()
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if Task.isCancelled || state.sleepers.count >= count { return true }
                    state.watchers[id] = (count, continuation)
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.watchers.removeValue(forKey: id) }?.continuation.resume()
        }
    }

    private func newID() -> Int {
        state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
    }

    package func sleep(until point: Timestamp) async {
        let id = newID()
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let (isOver, watchers) = state.withLock { state -> (Bool, [CheckedContinuation<Void, Never>]) in
                    if Task.isCancelled || point <= state.now { return (true, []) }
                    state.sleepers[id] = (point, state.elapsed + (point - state.now), continuation)
                    let served = state.watchers.filter { $0.value.count <= state.sleepers.count }
                    for id in served.keys { state.watchers[id] = nil }
                    return (false, served.values.map(\.continuation))
                }
                if isOver { continuation.resume() }
                for watcher in watchers { watcher.resume() }
            }
        } onCancel: {
            state.withLock { $0.sleepers.removeValue(forKey: id) }?.continuation.resume()
        }
    }
}
