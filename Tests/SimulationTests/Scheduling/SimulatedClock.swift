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
        /// When the wall clock comes back by itself, and by how much.
        var comeback: (steady: Int64, span: Int64)?
        /// Since when it has shown what: by the steady clock, and how far it was from that.
        var history: [(steady: Int64, offset: Int64)] = [(0, 0)]

        mutating func move(to offset: Int64) {
            self.offset = offset
            history.append((steady, offset))
        }
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

    /// Somebody sets the wall clock, and perhaps back again after so many milliseconds.
    func jump(by span: Duration, andBackAfter pause: Int? = nil) {
        state.withLock { state in
            state.jumps += 1
            state.move(to: state.offset + span.wholeMilliseconds)
            state.comeback = pause.map { (state.steady + Int64($0), -span.wholeMilliseconds) }
        }
    }

    /// The daemon's clock is right again.
    func correct() {
        state.withLock { state in
            state.comeback = nil
            if state.offset != 0 { state.move(to: 0) }
        }
    }

    /// Whether that point was over when the wall clock showed `reading`: by it and by all that it had shown in the minute before.
    ///
    /// Two seconds are left to differences that are no jump yet.
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
                // The one that it was in counts however short it was.
                let earlier = segments.filter { $0.from <= steady && $0.until > steady - 60_000 }.map(\.offset)
                let lowest = min(segment.offset, earlier.min() ?? segment.offset)
                return start + steady + lowest + 2_000 >= point.milliseconds
            }
        }
    }

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
