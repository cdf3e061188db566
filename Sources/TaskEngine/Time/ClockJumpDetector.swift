import Synchronization
import TaskModel
import TaskStore

/// Detects that the wall clock was set, by comparing it with the monotonic clock.
///
/// Sleep of the machine is not a jump, because both clocks advance.
final class ClockJumpDetector: Sendable {
    /// The result of a check.
    enum Finding: Sendable {
        case steady
        /// The wall clock was changed by this duration. The caller must call ``corrected()`` or ``failed()``
        /// afterwards.
        case jumped(Duration)
        /// Another caller is correcting a jump.
        case beingCorrected
    }

    private struct State {
        /// Both clocks at the last time when the wall clock counted as right.
        var wall: Timestamp
        var elapsed: Duration
        /// When the clocks were last compared.
        var lookedAt: Duration
        var pending: (wall: Timestamp, elapsed: Duration, jump: Duration)?
        var watchingSince: Timestamp
        /// The sum of the jumps since then.
        var jumps: Duration = .zero
        /// The time of the latest jump, or of the start.
        var steadySince: Duration
        var repairedAt: Duration

        /// The wall-clock time if the clock had not been set.
        func expected(at elapsed: Duration) -> Timestamp { wall + (elapsed - self.elapsed) }
    }

    private let state: Mutex<State>
    private let time: any TimeSource

    /// The largest difference between the clocks that does not count as a jump. Smaller differences add up.
    ///
    /// If a time server only slews, Linux slews both clocks alike (clock_gettime(2)).
    private static let tolerance = Duration.seconds(2)
    /// The loops check at least once a minute; a longer gap means that the machine slept.
    private static let longestGap = Duration.seconds(120)

    init(_ time: any TimeSource) {
        self.time = time
        let (now, elapsed) = (time.now(), time.elapsed())
        state = Mutex(
            State(
                wall: now, elapsed: elapsed, lookedAt: elapsed, watchingSince: now, steadySince: elapsed,
                repairedAt: elapsed))
    }

    /// The start of the period in which the clock has been observed continuously. It is the start of the process, the
    /// end of the machine's latest sleep, or a jump by more than the tolerance.
    var watchingSince: Timestamp { state.withLock { $0.watchingSince } }

    /// The time that has certainly passed since that moment: at most the time we observed continuously.
    ///
    /// A clock set while we were down could make any timestamp look old, and a wrong "old enough" can pay twice.
    func verifiedElapsed(since moment: Timestamp) -> Duration {
        state.withLock { state in
            let now = state.expected(at: time.elapsed())
            let since = moment <= now ? max(moment, state.watchingSince) : state.watchingSince
            return max(now - since, .zero)
        }
    }

    /// How long the wall clock, which just showed `now`, has run without a jump: at most since the start.
    ///
    /// Zero if it has jumped and no check has found that yet.
    func steadyFor(at now: Timestamp) -> Duration {
        state.withLock { state in
            let elapsed = time.elapsed()
            let expected = state.expected(at: elapsed)
            guard state.pending == nil, now - expected <= Self.tolerance,
                abs((time.now() - expected).inSeconds) <= Self.tolerance.inSeconds
            else { return .zero }
            return elapsed - state.steadySince
        }
    }

    /// Whether the wall clock has run without a jump for that long; see ``steadyFor(at:)``.
    func isSteady(for span: Duration, at now: Timestamp) -> Bool { steadyFor(at: now) >= span }

    /// Compares the clocks.
    func check() -> Finding {
        state.withLock { state in
            guard state.pending == nil else { return .beingCorrected }
            let before = time.elapsed()
            let wall = time.now()
            let elapsed = time.elapsed()
            // The thread was delayed between the readings, so the next check decides.
            guard elapsed - before < .milliseconds(500) else { return .steady }
            let jump = wall - state.expected(at: elapsed)
            guard jump > Self.tolerance || jump < .zero - Self.tolerance else {
                if elapsed - state.lookedAt > Self.longestGap {
                    state.watchingSince = wall
                    state.jumps = .zero
                }
                state.lookedAt = elapsed
                return .steady
            }
            state.pending = (wall, elapsed, jump)
            return .jumped(jump)
        }
    }

    /// Ends a correction: everything that depends on the old time has been moved.
    func corrected() {
        state.withLock { state in
            guard let pending = state.pending else { return }
            // The machine may also have slept.
            let slept = pending.elapsed - state.lookedAt > Self.longestGap
            state.wall = pending.wall
            state.elapsed = pending.elapsed
            state.lookedAt = pending.elapsed
            state.steadySince = pending.elapsed
            state.pending = nil
            state.watchingSince = state.watchingSince + pending.jump
            state.jumps += pending.jump
            guard slept || abs(state.jumps.inSeconds) > ClockDrift.tolerance.inSeconds else { return }
            state.watchingSince = pending.wall
            state.jumps = .zero
        }
    }

    /// True once a minute, by the monotonic clock.
    func takeRepairTurn() -> Bool {
        state.withLock { state in
            let elapsed = time.elapsed()
            guard elapsed - state.repairedAt >= .seconds(60) else { return false }
            state.repairedAt = elapsed
            return true
        }
    }

    /// Ends a correction that failed. The next check finds the jump again.
    func failed() { state.withLock { $0.pending = nil } }
}
