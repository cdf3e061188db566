import ProviderCatalog
import TaskModel
import TaskStore

/// Records the replies to status queries.
struct PollResults: Sendable {
    let recorder: OutcomeRecorder
    let planner: SchedulePlanner
    let sampler: CompletionSampler
    let unrecognised: UnrecognisedResponses
    let notFound: NotFoundPolicy
    let calls: PollCountBuffer
    /// The minimum time between two polls of a task.
    @Current var minGap: Duration
    let wakes: WakeSignals

    /// Records observations, with the next due times and with statistics.
    func record(
        _ seen: [(task: TrackedTask, event: TaskEvent)], at now: Timestamp
    ) async {
        var updates = StatisticsUpdates()
        var events: [ScheduledEvent] = []
        for (task, event) in seen {
            var minimumDelay: Duration?
            var isPending = false
            switch event {
            case .observed(let observation) where observation.verdict == .pending:
                unrecognised.note(observation, of: task, at: now)
                minimumDelay = observation.minimumPollDelay
                isPending = true
            case .observed(let observation), .endedByCallback(let observation):
                unrecognised.note(observation, of: task, at: now)
                await sampler.add(task, at: now, saying: observation, to: &updates)
            default: break
            }
            let schedule = await planner.schedule(of: task, at: now, sharedBy: seen.count, minimumDelay: minimumDelay)
            events.append(
                ScheduledEvent(
                    event, for: task.id,
                    consequence: { [isPending] in isPending && schedule.isNewlySlow($0) ? .slowerThanUsual : nil },
                    schedule: { schedule.nextPoll(of: $0) }))
        }
        updates.add(calls.take(about: seen.map(\.task), all: updates.hasEnds))
        let changes = await recorder.record(events, updating: updates)
        // A callback that arrived during the query may be newer than its reply.
        let calledBack = changes.map(\.task).filter { $0.state == .running && $0.isCalledBack }.map(\.id)
        await askSoon(calledBack, at: now)
        // The end of a task frees a place in flight.
        if changes.contains(where: { $0.task.state.hasEnded }) { wakes.submitter.signal() }
    }

    /// Records that the provider does not know the task.
    func recordNotFound(_ task: TrackedTask, at now: Timestamp) async {
        await record([(task, await notFound.event(for: task, at: now))], at: now)
    }

    /// Makes tasks due after the minimum gap.
    func askSoon(_ tasks: [TaskID], at now: Timestamp) async { await recorder.postpone(tasks, until: now + minGap) }
}
