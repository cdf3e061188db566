import FoundationEssentials
import TaskEngine
package import TaskModel

/// The clocks of this machine.
package struct SystemTimeSource: TimeSource {
    private let start = ContinuousClock.now

    package init() {}

    package func now() -> Timestamp { Timestamp(Date()) }

    package func elapsed() -> Duration { start.duration(to: .now) }

    /// Sleeps in short pieces, so that a clock that was set forward or a machine that slept is noticed within seconds.
    package func sleep(until point: Timestamp) async {
        let end = elapsed() + (point - now())
        while !Task.isCancelled {
            let left = min(point - now(), end - elapsed())
            guard left > .zero else { return }
            do { try await Task.sleep(for: min(left, .seconds(5))) } catch { return }
        }
    }
}
