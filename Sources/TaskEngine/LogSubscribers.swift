import Logging
import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

/// Updates everything in the process that follows each commit: log lines and counters, then caches, then waiting clients.
///
/// Add a new consumer of changes here. A consumer that may not miss any change, even over restarts, uses
/// ``EventLog/subscribe(after:)`` and stores its place in the database.
struct LogSubscribers {
    let metrics: EngineMetrics
    let callbacks: CallbackMonitor?
    let statistics: StatisticsCache
    let counts: LatestCounts
    let unrecognised: UnrecognisedResponses
    let inFlightPolls: InFlightPolls
    let plans: PollPlanCache
    let feed: EventFeed
    let streams: EventStreams
    @Current var destinations: [Destination]
    let wakes: WakeSignals
    let logger: Logger

    /// Registers them in order.
    func register(with log: EventLog) {
        // Each process counts and logs what it does itself.
        log.subscribeToOurs { [logger] change in logger.log(change) }
        log.subscribeToOurs { [metrics] change in metrics.note(change) }
        if let callbacks { log.subscribeToOurs { change in callbacks.watch(change) } }
        // Weak, because they read the store that calls them.
        log.subscribe { [weak statistics] change in
            if change.entry.to.hasEnded { statistics?.forget(change.task.endpoint) }
        }
        log.subscribe { [weak counts] _ in counts?.noteChange() }
        log.subscribe { [unrecognised, inFlightPolls] change in
            guard change.entry.from != nil, change.entry.to != .running else { return }
            unrecognised.forget(change.task.id)
            inFlightPolls.forget(change.task.id)
        }
        log.subscribe { [plans, wakes] change in
            let (from, to) = (change.entry.from, change.entry.to)
            // A new queued task does not change the poll plans.
            guard from != nil || to == .running else { return }
            plans.forget(change.task.accountService)
            // In a shared store the caller may have woken the loop before this.
            if to == .running, from != to { wakes.polls.signal() }
        }
        log.subscribe { [feed] change in feed.publish(change.task.id) }
        log.subscribe { [wakes] change in
            if change.isEnd, change.entry.to == .succeeded { wakes.artefacts.signal() }
        }
        log.subscribe { [wakes] change in
            // A deadline may have passed while the task was being sent or was uncertain.
            let (from, to) = (change.entry.from, change.entry.to)
            if change.task.deadline != nil, to == .queued || to == .running, from != to { wakes.deadlines.signal() }
        }
        log.subscribe { [_destinations, wakes] _ in
            if !_destinations.wrappedValue.isEmpty { wakes.notifications.signal() }
        }
        // Weak, because it reads the store that calls it.
        log.subscribe { [weak streams] change in streams?.publish(change) }
        // The part that makes a change in this process wakes the loops itself.
        log.subscribeToOthers { [wakes] change in
            guard change.entry.from != change.entry.to else { return }
            switch change.entry.to {
            case .queued: wakes.submitter.signal()
            case .uncertain: wakes.lookups.signal()
            case .submitting, .running: break
            // It leaves a place in flight.
            case .succeeded, .failed, .cancelled, .expired: wakes.submitter.signal()
            }
        }
    }
}

extension Logger {
    /// Writes one log line for each line of the event log.
    fileprivate func log(_ change: CommittedChange) {
        if change.entry.kind == "late_record" { return logLateRecord(change.entry, of: change.task) }
        // The line is only written if the level asks for it.
        log(
            level: change.entry.to == .uncertain ? .warning : .info, "\(change.line)",
            metadata: change.task.logFields(code: change.shownFailure?.code))
    }

    /// Logs that the provider has accepted another attempt than the current one.
    private func logLateRecord(_ entry: TaskLogEntry, of task: TrackedTask) {
        let (attempt, id) = (entry.detail["attempt"]?.number?.digits ?? "", entry.detail["remote_id"]?.string ?? "")
        if entry.detail["billed_twice"] == true {
            about(task).warning(
                """
                \(task.id) \(task.endpoint) was billed twice: the provider has also accepted its attempt \(attempt), as \(id). \
                `pollux events \(task.id)` shows who had it sent again. \
                `pollux track \(task.endpoint) \(id)` fetches that result as well.
                """)
        } else {
            about(task).warning(
                """
                \(task.id) \(task.endpoint) is \(entry.to), and the provider has accepted its attempt \(attempt) after all, as \
                \(id). `pollux reopen \(task.id)` continues with it.
                """)
        }
    }
}

extension CommittedChange {
    /// The line of the daemon's log.
    fileprivate var line: String {
        let path = entry.from.map { $0 == entry.to ? "\(entry.to)" : "\($0) → \(entry.to)" } ?? "\(entry.to)"
        var line = "\(task.id) \(task.endpoint) \(path) (\(entry.kind.replacing("_", with: " ")))"
        if let remoteID = task.remoteID, entry.to == .running { line += " as \(remoteID)" }
        if let failure = shownFailure {
            line += ": \(failure.code): \(failure.message.prefix(200))"
        }
        return line
    }

    /// The failure that the line names.
    fileprivate var shownFailure: TaskFailure? {
        ["created", "slower_than_usual"].contains(entry.kind) ? nil : task.failure
    }
}
