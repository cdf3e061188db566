import Logging
import ProviderCatalog
import Synchronization
package import TaskModel
package import TaskStore

/// Periodically removes ended tasks and their details if they are older than the retention policy allows.
///
/// It removes a few tasks per commit and pauses in between, so that other writes hardly wait. A removal is final. So it
/// removes nothing while the clock is in doubt, or while the database is a copy that no person has accepted.
package struct RetentionSweeper: Worker {
    let store: TaskStore
    @Current var policy: RetentionPolicy
    let hold: StartHold
    let startCheck: StartCheck
    let clock: ClockJumpDetector
    /// How long the clock must have been steady; see ``EngineLimits/steadySpan``.
    let steadySpan: Duration
    let wakes: WakeSignals
    let logger: Logger
    private let progress = Progress()

    private final class Progress: Sendable {
        struct State {
            /// The sweep in progress, its policy, and its start.
            var sweep: RetentionSweep?
            var policy = RetentionPolicy()
            var begunAt: Timestamp?
            /// When to continue.
            var nextAt: Timestamp?
        }

        let state = Mutex(State())
    }

    /// The longest time between two sweeps.
    private static let longestInterval = Duration.seconds(600)
    /// The time between two commits of a sweep.
    private static let pause = Duration.milliseconds(50)

    package var wake: WakeSignal { wakes.retention }

    package func claim(into work: inout [TaskID], at now: Timestamp) async throws(TaskStoreError) -> Timestamp {
        let interval = min(max((policy.shortest ?? Self.longestInterval) / 10, .seconds(1)), Self.longestInterval)
        guard hold.mode == nil, !policy.isOff else {
            progress.state.withLock { $0.sweep = nil }
            return now + .seconds(60)
        }
        let doubt = steadySpan - clock.steadyFor(at: now)
        guard doubt <= .zero else {
            progress.state.withLock { $0.sweep = nil }
            return now + min(doubt, .seconds(60))
        }
        let policy = policy
        let state = progress.state.withLock { state in
            // A sweep stops if its settings were replaced, or if the clock was ahead when it began.
            if state.policy != policy || state.begunAt.map({ $0 > now }) ?? false { state = Progress.State() }
            return state
        }
        // A later time comes from before the clock was set back.
        if state.sweep == nil, let nextAt = state.nextAt, nextAt > now, nextAt - now <= interval { return nextAt }
        let sweep = try await store.advance(
            state.sweep ?? RetentionSweep(policy, keepingStubs: startCheck.isPending, at: now), at: now)
        if sweep.count.files > 0 { wakes.artefactRemoval.signal() }
        let next = sweep.isOver ? now + interval : now + Self.pause
        progress.state.withLock { former in
            former = Progress.State(
                sweep: sweep.isOver ? nil : sweep, policy: policy, begunAt: state.sweep == nil ? now : state.begunAt,
                nextAt: next)
        }
        if sweep.isOver { logger.noteRemoval(sweep.count) }
        return next
    }

    package func perform(_ work: TaskID) async {}
}

extension Logger {
    /// Logs what a sweep has removed, if anything.
    func noteRemoval(_ count: RetentionSweep.Count) {
        guard count != RetentionSweep.Count() else { return }
        info(
            """
            Retention: removed the details of \(count.tasks) task(s), the responses of \(count.responses) more, \
            \(count.events) event(s), \(count.keys) idempotency key(s), \(count.files) file(s) of results, and the rest of \
            \(count.stubs) task(s).
            """)
    }
}
