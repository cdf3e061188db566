import Logging
import ProviderCatalog
import TaskModel
import TaskStore

/// Corrects the schedule and the circuit breakers after the wall clock was set.
struct ScheduleCorrector: Sendable {
    let clock: ClockJumpDetector
    let store: TaskStore
    let breakers: CircuitBreakers
    let plans: PollPlanCache
    let polls: InFlightPolls
    let leases: LeaseKeeper
    let wakes: WakeSignals
    let time: any TimeSource
    /// The longest time between two polls of a task, and between two look-ups of a lost one.
    @Current var longestPollGap: Duration
    let longestLookupGap: Duration
    /// How long a task waits whose record is too large; see ``EngineLimits/tooLargeGap``.
    let tooLargeGap: Duration
    let logger: Logger

    /// Moves the schedule and the circuit breakers if the wall clock was set. False while another caller does that.
    func followClock() async throws(TaskStoreError) -> Bool {
        switch clock.check() {
        case .steady: return true
        case .beingCorrected: return false
        case .jumped(let jump):
            logger.warning(
                "The clock was set by \(Int(jump.inSeconds)) s. The schedule is moved by the same time; nothing is lost."
            )
            do throws(TaskStoreError) {
                // In a shared store it is the clock of the database that was set, and one process moves the schedule.
                if try await leases.acquire(.deadlines, at: time.now()) == nil {
                    try await store.moveSchedule(by: jump, at: time.now())
                    await breakers.move(by: jump)
                }
            } catch {
                clock.failed()
                throw error
            }
            plans.forgetAll()
            clock.corrected()
            // Other work may be due now.
            wakes.signalAll()
            return true
        }
    }

    /// Repairs due times that were written while the clock was ahead, once a minute.
    ///
    /// A jump moves the schedule, but a write in progress can still store a time of the old clock. So this searches for
    /// due times later than any plan allows.
    func repair(at now: Timestamp) async throws(TaskStoreError) {
        guard clock.takeRepairTurn() else { return }
        await breakers.correct(at: now)
        try await repairFutureDueTimes(at: now)
    }

    /// Makes tasks due now whose due time is later than any schedule allows. A time that a user chose stays.
    func repairFutureDueTimes(at now: Timestamp) async throws(TaskStoreError) {
        var count = try await bringQueuedForward(at: now)
        // A running task waits for the longest gap, which counts from the time when the circuit closes.
        let opening = breakers.lastOpening(after: now) ?? now
        // Another process may poll the tasks, and it alone knows which have too large records.
        let longestGap = leases.isShared ? max(longestPollGap, tooLargeGap) : longestPollGap
        count += try await store.bringForward(
            in: .running, dueAfter: opening + longestGap * 2, to: now, except: polls.tooLarge,
            dueBy: now + tooLargeGap)
        count += try await store.bringForward(in: .uncertain, dueAfter: now + longestLookupGap * 2, to: now)
        let files = try await store.bringArtefactsForward(dueAfter: now + ArtefactRules.longestPause * 2, to: now)
        if files > 0 {
            logger.warning(
                "\(files) file(s) of results were due later than any schedule allows, as after a clock that was ahead. They are due now."
            )
            wakes.artefacts.signal()
        }
        guard count > 0 else { return }
        logger.warning(
            "\(count) task(s) were due later than any schedule allows, as after a clock that was ahead. They are due now."
        )
        plans.forgetAll()
    }

    /// Makes queued tasks due now that wait for a circuit which a person has closed.
    func followResume() async throws(TaskStoreError) { _ = try await bringQueuedForward(at: time.now()) }

    /// A queued task waits for seconds after the circuit closes.
    private func bringQueuedForward(at now: Timestamp) async throws(TaskStoreError) -> Int {
        let opening = breakers.lastOpening(after: now) ?? now
        return try await store.bringForward(in: .queued, dueAfter: opening + .seconds(60), to: now)
    }
}
