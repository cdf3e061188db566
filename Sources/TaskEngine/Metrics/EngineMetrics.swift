import Synchronization
import TaskModel
import TaskStore

/// EngineMetrics holds the counters and histograms since the start.
///
/// Values that can be read at a scrape are not kept here: see ``MetricsService``.
package final class EngineMetrics: Sendable {
    /// What became of a status query or a reading of a list.
    enum QueryOutcome: String, Sendable {
        case answered, throttled, refused
        case serverError = "server_error"
        case notSent = "not_sent"
        case lost

        /// The outcome of a reply with this HTTP status.
        init(status: Int) {
            switch status {
            case 429: self = .throttled
            case 500...: self = .serverError
            case 400...: self = .refused
            default: self = .answered
            }
        }
    }

    private struct State {
        var submissions: [Series: Int] = [:]
        var queries: [Series: Int] = [:]
        var spent: [MoneyUnit: Int64] = [:]
        var lateness = Histogram([0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800])
        var durations: [TaskState: Histogram] = [:]
        var commits = Histogram([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10])
    }

    /// The labels of a counter.
    private struct Series: Sendable, Hashable {
        /// An endpoint or a service; `other` once there are too many.
        let name: String
        let outcome: String

        var order: (String, String) { (name, outcome) }
    }

    private let state = Mutex(State())

    /// The most series of a counter. Definitions limit the names, but reloads may bring others without end.
    static let mostSeries = 2_000
    /// The most units of money.
    static let mostUnits = 100

    package init() {}

    /// Counts the outcomes of submissions, the ends of tasks and what they have cost.
    func note(_ change: CommittedChange) {
        let outcome = change.submissionOutcome
        guard outcome != nil || change.isEnd || !change.spent.isEmpty else { return }
        state.withLock { state in
            for amount in change.spent { Self.add(amount, to: &state.spent) }
            if let outcome { Self.count(change.task.endpoint.text, outcome, in: &state.submissions) }
            guard change.isEnd else { return }
            let took = (change.task.endedAt ?? change.entry.at) - change.task.createdAt
            state.durations[change.entry.to, default: Self.durations].observe(took)
        }
    }

    /// Counts a status query or a reading of a list.
    func noteQuery(of service: ServiceName, _ outcome: QueryOutcome) {
        state.withLock { Self.count(service.text, outcome.rawValue, in: &$0.queries) }
    }

    /// Counts how long after they were due these tasks are polled. Tasks that a batch takes along early do not count.
    func notePoll(of tasks: [TrackedTask], at now: Timestamp) {
        state.withLock { state in
            for task in tasks {
                if let due = task.nextDueAt, due <= now { state.lateness.observe(now - due) }
            }
        }
    }

    /// Counts a write to the store.
    package func noteCommit(taking duration: Duration) { state.withLock { $0.commits.observe(duration) } }

    private static var durations: Histogram { Histogram([1, 5, 15, 30, 60, 120, 300, 600, 1_800, 7_200, 86_400]) }

    private static func count(_ name: String, _ outcome: String, in counts: inout [Series: Int]) {
        var series = Series(name: name, outcome: outcome)
        if counts[series] == nil, counts.count >= mostSeries { series = Series(name: "other", outcome: outcome) }
        counts[series, default: 0] += 1
    }

    private static func add(_ amount: Amount, to sums: inout [MoneyUnit: Int64]) {
        // Prices name units, and reloads may bring others without end.
        guard sums[amount.unit] != nil || sums.count < mostUnits else { return }
        let (sum, isTooLarge) = sums[amount.unit, default: 0].addingReportingOverflow(amount.micros)
        sums[amount.unit] = isTooLarge ? .max : sum
    }

    /// The metrics that they give.
    var families: [MetricFamily] {
        let state = state.withLock { $0 }
        var submissions = MetricFamily(
            "pollux_submissions_total", .counter, "Paid requests since the start, by what became of them.")
        for (series, count) in state.submissions.sorted(by: { $0.key.order < $1.key.order }) {
            submissions.add(Double(count), ("endpoint", series.name), ("outcome", series.outcome))
        }
        var queries = MetricFamily(
            "pollux_poll_requests_total", .counter,
            "Status queries and readings of lists since the start, by what became of them.")
        for (series, count) in state.queries.sorted(by: { $0.key.order < $1.key.order }) {
            queries.add(Double(count), ("service", series.name), ("outcome", series.outcome))
        }
        var lateness = MetricFamily(
            "pollux_poll_lateness_seconds", .histogram, "How long after its time a due task was polled.")
        lateness.add(state.lateness)
        var durations = MetricFamily(
            "pollux_task_duration_seconds", .histogram, "From the creation of a task to its end, by that end.")
        for end in TaskState.allCases where end.hasEnded {
            durations.add(state.durations[end] ?? Self.durations, ("outcome", end.rawValue))
        }
        var commits = MetricFamily(
            "pollux_commit_seconds", .histogram, "From the beginning of a write to the moment it is on disk.")
        commits.add(state.commits)
        var spent = MetricFamily(
            "pollux_spend_micros_total", .counter,
            "Millionths of a unit that the ledger has counted as spent since the start.")
        for (unit, sum) in state.spent.sorted(by: { $0.key < $1.key }) {
            spent.add(Double(sum), ("unit", unit.text))
        }
        return [submissions, queries, lateness, durations, commits, spent]
    }
}

extension CommittedChange {
    /// What became of the paid request, if the change tells it.
    fileprivate var submissionOutcome: String? {
        guard entry.from == .submitting, entry.to != .submitting else { return nil }
        return switch entry.to {
        case .running: "accepted"
        case .queued: "not_accepted"
        case .uncertain: "uncertain"
        case .failed where entry.kind == "submission_refused": "refused"
        default: "answered"
        }
    }
}
