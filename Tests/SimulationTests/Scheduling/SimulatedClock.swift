import Synchronization
import TaskEngine
import TaskModel
import TaskTesting

/// Two clocks in the director's hands: one that goes steadily, and the wall clock, which somebody may set.
final class SimulatedClock: TimeSource {
    private struct State {
        var steady: Int64 = 0
        var offset: Int64 = 0
        var jumps = 0
    }

    private let state = Mutex(State())
    private let turnstile: Turnstile

    init(turnstile: Turnstile) {
        self.turnstile = turnstile
    }

    /// Milliseconds since the history began; never goes back.
    var steady: Int64 { state.withLock { $0.steady } }
    /// How often the wall clock was set.
    var jumps: Int { state.withLock { $0.jumps } }

    func now() -> Timestamp {
        state.withLock { Timestamp(milliseconds: ManualTimeSource.start.milliseconds + $0.steady + $0.offset) }
    }

    func elapsed() -> Duration { .milliseconds(steady) }

    /// The provider's clock, which nobody sets.
    var providerNow: Timestamp { ManualTimeSource.start + .milliseconds(steady) }

    /// Time passes until then.
    func advance(toSteady point: Int64) { state.withLock { $0.steady = max($0.steady, point) } }

    /// Somebody sets the wall clock.
    func jump(by span: Duration) {
        state.withLock { state in
            state.offset += span.wholeMilliseconds
            state.jumps += 1
        }
    }

    /// The daemon's clock is right again.
    func correct() { state.withLock { $0.offset = 0 } }

    /// When a point of the wall clock comes if nobody sets it, by the steady one.
    func steady(at point: Timestamp) -> Int64 {
        state.withLock { state in
            let wall = ManualTimeSource.start.milliseconds + state.steady + state.offset
            let (left, overflow) = point.milliseconds.subtractingReportingOverflow(wall)
            return overflow || left > 1 << 50 ? .max / 2 : state.steady + max(left, 0)
        }
    }

    func sleep(until point: Timestamp) async {
        guard point > now() else { return }
        await turnstile.park("sleep", notBefore: steady(at: point), wall: point)
    }
}
