package import ServiceLifecycle
import TaskStore

/// The engine put together: one way in, and the loops that do the work.
package struct TaskEngine: Sendable {
    /// The one way in for programs and people.
    package let service: TaskService
    /// Sends what is queued.
    package let submitter: Submitter
    /// Asks about what is running.
    package let scheduler: PollScheduler
    /// Looks for what was lost.
    package let reconciler: Reconciler
    /// Ends what is out of time.
    package let deadlines: DeadlineEnforcer
    /// Looks after the storage.
    package let storage: StorageKeeper

    /// Builds all parts on one context.
    package init(_ context: EngineContext) {
        service = TaskService(context)
        submitter = Submitter(context)
        scheduler = PollScheduler(context)
        reconciler = Reconciler(context)
        deadlines = DeadlineEnforcer(context)
        storage = StorageKeeper(context)
    }

    /// The loops, in the order in which they start.
    package var loops: [any Service] { [storage, deadlines, reconciler, scheduler, submitter] }
}
