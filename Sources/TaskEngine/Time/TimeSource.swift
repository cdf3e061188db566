package import TaskModel

/// Provides the wall clock and the monotonic clock. Tests set both.
package protocol TimeSource: Sendable {
    /// The wall clock, which users and time servers may set.
    func now() -> Timestamp
    /// The monotonic clock: the time since some moment. It advances while the machine sleeps, and cannot be set.
    func elapsed() -> Duration
    /// Sleeps until the wall clock shows that time, until the time between now and then has passed, or until the task is
    /// cancelled, whichever comes first.
    ///
    /// So a clock that is set back does not prolong the sleep.
    func sleep(until point: Timestamp) async
    /// Calls `body` now and every four seconds, until it returns false or the task is cancelled. `body` must not block.
    ///
    /// All such checks run at the same moments, so an idle process wakes once for all of them.
    func repeatEachCheck(_ body: @escaping @Sendable () async -> Bool) async
}

extension TimeSource {
    package func repeatEachCheck(_ body: @escaping @Sendable () async -> Bool) async {
        while await body(), !Task.isCancelled { await sleep(until: now() + .seconds(4)) }
    }
}
