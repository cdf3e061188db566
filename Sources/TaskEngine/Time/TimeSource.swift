package import TaskModel

/// Where the engine gets its time from; tests hand in one that they set.
package protocol TimeSource: Sendable {
    /// The wall clock, which people and servers set forward and back.
    func now() -> Timestamp
    /// The time that has passed since some moment; goes on while the machine sleeps, and nobody sets it.
    func elapsed() -> Duration
    /// Returns when the wall clock shows that point, when as much time has passed as lay before it at the call, or when
    /// the task is cancelled, whichever comes first.
    ///
    /// A clock that is set back does not make anybody sleep longer.
    func sleep(until point: Timestamp) async
    /// Returns at the next of the moments that all periodic checks share, two seconds apart, or when the task is cancelled.
    ///
    /// Sharing them makes an idle process wake once for all of its checks.
    func sleepUntilNextCheck() async
}

extension TimeSource {
    package func sleepUntilNextCheck() async { await sleep(until: now() + .seconds(2)) }
}
