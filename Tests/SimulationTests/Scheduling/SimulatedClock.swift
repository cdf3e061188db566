import Synchronization
import TaskEngine
import TaskModel
import TaskTesting

/// A time source with a steady clock and a wall clock that can jump. The driver advances both.
final class SimulatedClock: TimeSource {
    private struct State {
        var steady: Int64 = 0
        var offset: Int64 = 0
        var jumps = 0
        /// When the wall clock returns, and by how much it then moves.
        var comeback: (steady: Int64, span: Int64)?
        /// The offsets of the wall clock from the steady clock, with their start times.
        var history: [(steady: Int64, offset: Int64)] = [(0, 0)]

        mutating func move(to offset: Int64) {
            self.offset = offset
            history.append((steady, offset))
        }
    }

    private let state = Mutex(State())
    private let scheduler: StepScheduler

    init(scheduler: StepScheduler) {
        self.scheduler = scheduler
    }

    /// The milliseconds since the history began. Never decreases.
    var steady: Int64 { state.withLock { $0.steady } }
    /// The number of wall clock jumps.
    var jumps: Int { state.withLock { $0.jumps } }

    func now() -> Timestamp {
        state.withLock { Timestamp(milliseconds: ManualTimeSource.start.milliseconds + $0.steady + $0.offset) }
    }

    func elapsed() -> Duration { .milliseconds(steady) }

    /// The provider's clock, which never jumps.
    var providerNow: Timestamp { ManualTimeSource.start + .milliseconds(steady) }

    /// Advances the time to that moment.
    func advance(toSteady point: Int64) {
        state.withLock { state in
            if let comeback = state.comeback, comeback.steady <= point {
                state.comeback = nil
                state.steady = max(state.steady, comeback.steady)
                state.jumps += 1
                state.move(to: state.offset + comeback.span)
            }
            state.steady = max(state.steady, point)
        }
    }

    /// Sets the wall clock, and optionally back after a number of milliseconds.
    func jump(by span: Duration, andBackAfter pause: Int? = nil) {
        state.withLock { state in
            state.jumps += 1
            state.move(to: state.offset + span.wholeMilliseconds)
            state.comeback = pause.map { (state.steady + Int64($0), -span.wholeMilliseconds) }
        }
    }

    /// Corrects the wall clock.
    func correct() {
        state.withLock { state in
            state.comeback = nil
            if state.offset != 0 { state.move(to: 0) }
        }
    }

    /// Whether that moment had passed by all clocks of the last minute when the wall clock showed `reading`.
    ///
    /// Tolerates two seconds, because smaller differences are not jumps.
    func wasOver(_ point: Timestamp, whenShowing reading: Timestamp) -> Bool {
        state.withLock { state in
            let start = ManualTimeSource.start.milliseconds
            let segments = state.history.enumerated().map { index, segment in
                let isLast = index + 1 == state.history.count
                return (
                    from: segment.steady, until: isLast ? state.steady : state.history[index + 1].steady,
                    offset: segment.offset
                )
            }
            return segments.contains { segment in
                let steady = reading.milliseconds - start - segment.offset
                guard (segment.from...segment.until).contains(steady) else { return false }
                // The current segment counts even if it was short. An earlier one in which no time passed shows no jump.
                let earlier = segments.filter { $0.from < $0.until && $0.from <= steady && $0.until > steady - 60_000 }
                    .map(\.offset)
                let lowest = min(segment.offset, earlier.min() ?? segment.offset)
                return start + steady + lowest + 2_000 >= point.milliseconds
            }
        }
    }

    /// The steady time when the wall clock will show a moment, if nothing sets it.
    func steady(at point: Timestamp) -> Int64 {
        state.withLock { state in
            let wall = ManualTimeSource.start.milliseconds + state.steady + state.offset
            let (left, overflow) = point.milliseconds.subtractingReportingOverflow(wall)
            return overflow || left > 1 << 50 ? .max / 2 : state.steady + max(left, 0)
        }
    }

    func sleep(until point: Timestamp) async {
        guard point > now() else { return }
        await scheduler.park("sleep", notBefore: steady(at: point), wall: point)
    }
}
