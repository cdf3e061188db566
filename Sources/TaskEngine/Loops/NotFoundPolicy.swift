import Logging
import ProviderCatalog
import TaskModel
import TaskStore

/// Decides what follows if the provider does not know a task.
///
/// One miss proves little; many over a long time prove that the task is gone. A few suffice if a callback has reported
/// the end.
struct NotFoundPolicy: Sendable {
    let store: TaskStore
    @Current var catalog: ProviderCatalog
    let limits: EngineLimits
    let clock: ClockJumpDetector
    let logger: Logger

    /// The event of a poll that did not find the task.
    func event(for task: TrackedTask, at now: Timestamp) async -> TaskEvent {
        let missing = clock.verifiedElapsed(since: task.firstMissAt ?? now)
        if task.callbacks.finalAt != nil, task.notFoundCount + 1 >= limits.notFoundBeforeCallbackDecides,
            missing >= limits.missSpanBeforeCallbackDecides,
            let outcome = await store.deliveredOutcome(of: task, in: catalog, logger: logger)
        {
            return .endedByCallback(outcome)
        }
        let slow = catalog.endpoint(task.endpoint)?.upperDuration ?? .zero
        let isLost =
            task.notFoundCount + 1 >= limits.notFoundBeforeLost
            && missing >= max(limits.missSpan, slow * 2)
        return isLost ? .remoteTaskGone : .missed
    }
}
