import Logging
import PollingPolicy
import ProviderCatalog
import Synchronization
import TaskModel
import TaskStore

/// Notices when the wall clock was set, by comparing its progress with that of a clock that nobody sets.
///
/// A machine that slept is no such case: both clocks have gone on.
final class ClockWatch: Sendable {
    /// What a look at the clocks shows.
    enum Finding: Sendable {
        case steady
        /// The wall clock was set by so much. Whoever is told so says ``corrected()`` or ``failed()`` afterwards.
        case jumped(Duration)
        /// Somebody else was told so and is at work.
        case beingCorrected
    }

    private struct State {
        /// What both clocks showed when the wall clock was last taken for right.
        var wall: Timestamp
        var elapsed: Duration
        /// When somebody last looked.
        var lookedAt: Duration
        var pending: (wall: Timestamp, elapsed: Duration, jump: Duration)?
        var watchingSince: Timestamp
        /// The sum of the jumps since then.
        var jumps: Duration = .zero
        /// When the latest jump was, or the start.
        var steadySince: Duration
        var sweptAt: Duration

        /// The wall clock as it would be if nobody had touched it.
        func expected(at elapsed: Duration) -> Timestamp { wall + (elapsed - self.elapsed) }
    }

    private let state: Mutex<State>
    private let time: any TimeSource

    /// What the clocks may differ by without a step of the wall clock. Differences add up until they are more.
    ///
    /// Where a time server only slews, Linux slews both clocks alike (clock_gettime(2)).
    private static let tolerance = Duration.seconds(2)
    /// The loops look at least once a minute; a longer time without a look was sleep.
    private static let longestGap = Duration.seconds(120)

    init(_ time: any TimeSource) {
        self.time = time
        let (now, elapsed) = (time.now(), time.elapsed())
        state = Mutex(
            State(
                wall: now, elapsed: elapsed, lookedAt: elapsed, watchingSince: now, steadySince: elapsed,
                sweptAt: elapsed))
    }

    /// Since when nothing could happen unseen: the start, the end of the machine's latest sleep, or when the clock was set
    /// by more than the tolerance.
    var watchingSince: Timestamp { state.withLock { $0.watchingSince } }

    /// How long ago that moment, told by the wall clock, was for certain.
    ///
    /// Never longer than somebody has been watching: a clock that was set while the daemon was down, or a moment ago, makes
    /// any moment as old as one likes, and what rests on it (that a task is gone, that one may be sent again) is paid for.
    func spanSeen(since moment: Timestamp) -> Duration {
        state.withLock { state in
            let now = state.expected(at: time.elapsed())
            let since = moment <= now ? max(moment, state.watchingSince) : state.watchingSince
            return max(now - since, .zero)
        }
    }

    /// For how long the wall clock, which showed `now` a moment ago, has gone on without a jump; counted from the start at
    /// the most, since nobody knows what was done to it before.
    ///
    /// Zero where it has jumped and no loop has noticed yet.
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

    /// Whether the wall clock has gone on without a jump for so long; see ``steadyFor(at:)``.
    func isSteady(for span: Duration, at now: Timestamp) -> Bool { steadyFor(at: now) >= span }

    /// Compares the clocks.
    func look() -> Finding {
        state.withLock { state in
            guard state.pending == nil else { return .beingCorrected }
            let before = time.elapsed()
            let wall = time.now()
            let elapsed = time.elapsed()
            // Held up between the readings: the next look tells.
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

    /// What rested on the old time has been moved.
    func corrected() {
        state.withLock { state in
            guard let pending = state.pending else { return }
            // A machine that slept may have been set as well.
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

    /// Whether a minute has passed since this was last true; by the clock that nobody sets.
    func maySweep() -> Bool {
        state.withLock { state in
            let elapsed = time.elapsed()
            guard elapsed - state.sweptAt >= .seconds(60) else { return false }
            state.sweptAt = elapsed
            return true
        }
    }

    /// It could not be moved; the next look finds the jump again.
    func failed() { state.withLock { $0.pending = nil } }
}

extension EngineContext {
    /// Moves the schedule and the gates along with a wall clock that was set, so that nothing waits for an hour that does
    /// not come and nothing is due because of one that never passed. False while that is under way.
    func settleClock() async throws(TaskStoreError) -> Bool {
        switch clock.look() {
        case .steady: return true
        case .beingCorrected: return false
        case .jumped(let jump):
            logger.warning(
                "The clock was set by \(Int(jump.inSeconds)) s. What was planned by it is moved along; nothing is lost."
            )
            do throws(TaskStoreError) {
                try await store.moveSchedule(by: jump, at: time.now())
            } catch {
                clock.failed()
                throw error
            }
            await gates.move(by: jump)
            plans.forgetAll()
            clock.corrected()
            // What seemed overdue may not be so any more, and the other way round.
            wakes.nudgeAll()
            return true
        }
    }

    /// Finds what was planned by a clock that went ahead, and would sleep until it is there again.
    ///
    /// The schedule is moved when the clock is set, but what was being written at that moment comes after, with the old
    /// time. So once a minute is looked for what is due later than anything is ever planned; by an index, and mostly in vain.
    func sweep(at now: Timestamp) async throws(TaskStoreError) {
        guard clock.maySweep() else { return }
        await gates.correct(at: now)
        try await wakeOversleepers(at: now)
    }

    /// Makes due now what waits longer than it ever would of itself; what a person wants later is left alone.
    func wakeOversleepers(at now: Timestamp) async throws(TaskStoreError) {
        // Of itself a task waits a few seconds in the queue, and for its next poll as long as any gap may be; both only
        // from when its gate opens.
        let opening = gates.lastOpening(after: now) ?? now
        let longest = max(polling.maxGap, PollingPolicy.maxUnrecognisedGap, catalog.longestMinGap)
        var count = try await store.bringForward(in: .queued, dueAfter: opening + .seconds(60), to: now)
        count += try await store.bringForward(in: .running, dueAfter: opening + longest * 2, to: now)
        count += try await store.bringForward(in: .uncertain, dueAfter: now + lookups.slowest * 2, to: now)
        guard count > 0 else { return }
        logger.warning("\(count) task(s) were planned by a clock that went ahead, and are looked at now.")
        plans.forgetAll()
    }
}
