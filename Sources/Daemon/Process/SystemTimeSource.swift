import FoundationEssentials
import TaskEngine
package import TaskModel

/// The system clocks.
package struct SystemTimeSource: TimeSource {
    private let start = ContinuousClock.now

    package init() {}

    package func now() -> Timestamp { Timestamp(Date()) }

    package func elapsed() -> Duration { start.duration(to: .now) }

    /// Sleeps in short steps, to notice within seconds that the clock was set forward or the machine slept.
    package func sleep(until point: Timestamp) async {
        let end = elapsed() + (point - now())
        while !Task.isCancelled {
            let left = min(point - now(), end - elapsed())
            guard left > .zero else { return }
            do { try await sleep(to: min(elapsed() + left, next(of: 2 * Self.secondsBetweenChecks))) } catch { return }
        }
    }

    package func sleepUntilNextCheck() async { try? await sleep(to: next(of: Self.secondsBetweenChecks)) }

    /// A wake-up of the process costs about five switches between its threads, so an idle one has few.
    private static let secondsBetweenChecks: Int64 = 2

    /// The next multiple of so many seconds since the start: the same moment for everyone who asks before it.
    private func next(of seconds: Int64) -> Duration {
        .seconds((elapsed().components.seconds / seconds + 1) * seconds)
    }

    private func sleep(to point: Duration) async throws {
        try await Task.sleep(until: start.advanced(by: point), clock: .continuous)
    }
}
