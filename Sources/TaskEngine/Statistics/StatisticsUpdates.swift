import PollingPolicy
import TaskModel
import TaskStore

/// Collects the statistics updates of one transaction, one for each row.
struct StatisticsUpdates: Sendable {
    private struct Count: Sendable {
        var calls = 0.0
        var throttled = 0
        var lateCallbacks: [Duration?] = []
    }

    private var counts: [EndpointName: Count] = [:]
    private var ends: [StatisticsKey: [TaskID: CompletionSample]] = [:]
    private var wider: [EndpointName: DurationModel] = [:]

    /// Counts calls for these endpoints.
    mutating func add(_ calls: [EndpointName: Double]) {
        for (endpoint, count) in calls { counts[endpoint, default: Count()].calls += count }
    }

    /// Whether it has a sample of a task that may have ended.
    var hasEnds: Bool { !ends.isEmpty }

    /// Counts a throttled reply to a call about these tasks.
    mutating func countThrottled(about tasks: [TrackedTask]) {
        for endpoint in Set(tasks.map(\.endpoint)) { counts[endpoint, default: Count()].throttled += 1 }
    }

    /// Counts a callback that reported an end that a poll had already found.
    mutating func countLateCallback(about task: TrackedTask, delay: Duration?) {
        counts[task.endpoint, default: Count()].lateCallbacks.append(delay)
    }

    /// Adds a duration sample. It counts only if the transaction ends the task.
    mutating func add(_ end: CompletionSample, statistics: EndpointStatistics) {
        let endpoint = end.task.endpoint
        wider[endpoint] = statistics.all.model
        ends[StatisticsKey(endpoint), default: [:]][end.task.id] = end
        if let model = end.task.model, statistics.hasRoom(for: model) {
            ends[StatisticsKey(endpoint, model: model), default: [:]][end.task.id] = end
        }
    }

    /// The updates, one for each row.
    var updates: [StatisticsUpdate] {
        Set(ends.keys).union(counts.keys.map { StatisticsKey($0) }).map { key in
            let count = key.model == nil ? counts[key.endpoint] : nil
            let ends = ends[key] ?? [:]
            let wider = wider[key.endpoint]
            return StatisticsUpdate(about: key) { row, changes in
                row.calls += count?.calls ?? 0
                row.throttled += count?.throttled ?? 0
                for delay in count?.lateCallbacks ?? [] { row.callbacks.came(after: delay) }
                let ended = changes.compactMap { change -> (CompletionSample, CallbackRecord)? in
                    guard case .advance(let state) = change.transition, state.hasEnded else { return nil }
                    return ends[change.task.id].map { ($0, change.task.callbacks) }
                }
                if let wider, !ended.isEmpty { row.learn(from: ended, wider: wider) }
            }
        }
    }
}

extension StatisticsRow {
    /// Adds these samples; `wider` is the model of the whole endpoint before them.
    fileprivate mutating func learn(from ends: [(CompletionSample, CallbackRecord)], wider: DurationModel) {
        let stored = durations.flatMap { DurationModel(decoding: $0) }
        var model = stored ?? (key.model == nil ? wider : DurationModel(prior: wider))
        for (end, delivered) in ends {
            if end.expectsCallback { callbacks.learn(from: delivered, of: end) }
            if let sample = end.sample {
                if key.model == nil { model.learn(sample) } else { model.learn(sample, beside: wider) }
            }
            guard end.observation != nil else { continue }
            finished += 1
            if let late = end.lateness {
                lateness += late
                latenessSamples += 1
            }
            startsTold += ((end.startWasTold ? 1 : 0) - startsTold) * Self.share
            if let waited = end.waited { wait = wait.map { $0 + (waited - $0) * Self.share } ?? waited }
        }
        durations = model.encoded()
    }

    /// The weight of the latest task in the running averages.
    private static let share = 0.1
}

extension CallbackStatistics {
    /// Trust grows with each delivery, and falls when a poll finds the end before a callback arrives. After a dozen
    /// deliveries in a row, trust is nearly complete. One missing delivery removes most of it.
    fileprivate mutating func learn(from delivered: CallbackRecord, of end: CompletionSample) {
        expected += 1
        guard let finalAt = delivered.finalAt else {
            trust *= 0.25
            return
        }
        trust += (1 - trust) * 0.2
        came(after: end.callbackDelay(finalAt))
    }

    /// Counts a callback that arrived this long after the end.
    fileprivate mutating func came(after delay: Duration?) {
        came += 1
        guard let delay else { return }
        self.delay += delay
        delaySamples += 1
    }
}
