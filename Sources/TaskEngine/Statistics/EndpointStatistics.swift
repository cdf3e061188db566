import PollingPolicy
import TaskModel
import TaskStore

/// An endpoint's measured durations, and what it cost to notice the ends.
struct EndpointStatistics: Sendable {
    /// A stored row and its decoded model.
    struct Entry: Sendable {
        let row: StatisticsRow
        let model: DurationModel
    }

    let endpoint: EndpointName
    /// For all its tasks; the documented durations before the first.
    let all: Entry
    /// For each model name that requests use.
    let models: [String: Entry]

    /// The most models of an endpoint with a row of their own; later ones count only for the whole endpoint. 24 exceeds every
    /// provider's list of models, and a program that invents names cannot fill the disk.
    static let mostModels = 24

    init(_ rows: [StatisticsRow], of endpoint: EndpointName, documented: DurationModel) {
        self.endpoint = endpoint
        var all = Entry(row: StatisticsRow(key: StatisticsKey(endpoint)), model: documented)
        var models: [String: Entry] = [:]
        for row in rows {
            // A row that a later version wrote, or a damaged one, starts again: statistics are not a promise.
            let model = row.durations.flatMap { DurationModel(decoding: $0) }
            guard let name = row.key.model else {
                all = Entry(row: row, model: model ?? documented)
                continue
            }
            if let model { models[name] = Entry(row: row, model: model) }
        }
        self.all = all
        self.models = models
    }

    /// The entry to use for a model: its own, once it predicts better than the endpoint's.
    func entry(for model: String?) -> Entry {
        guard let model, let own = models[model], own.model.outpredictsParent else { return all }
        return own
    }

    /// The probability that a callback reports the end before a poll; 0 if the request has no URL of ours.
    func callbackTrust(of task: TrackedTask) -> Double {
        task.attempt?.callback == nil ? 0 : all.row.callbacks.trust
    }

    /// Whether the model has a separate row, or may get one.
    func hasRoom(for model: String) -> Bool { models[model] != nil || models.count < Self.mostModels }
}

extension EndpointStatistics {
    /// The start of a task's age, comparable with the samples.
    ///
    /// If the provider reports the start, the time in its queue counts as the usual one. Until the task starts there, its
    /// age stays at that.
    func beginning(of task: TrackedTask, at now: Timestamp) -> Timestamp {
        let from = task.ageFrom ?? task.submittedAt ?? task.attempt?.startedAt ?? task.createdAt
        let row = entry(for: task.model).row
        guard let usual = row.wait else { return from }
        if let waited = task.waited { return from + (waited - usual) }
        return row.startsTold > 0.9 ? max(from, now - usual) : from
    }

    /// The task's age by ``beginning(of:at:)``.
    ///
    /// At least its age at the last poll, so that a clock set back makes no task younger. At least the time since the last
    /// poll, or the next poll would never be due.
    func age(of task: TrackedTask, at now: Timestamp) -> Duration {
        let seen = task.lastPendingAt ?? now
        return max(max(now, seen) - beginning(of: task, at: now), now - seen, .zero)
    }

    /// The time since a poll last saw it unfinished; its age if none has, or if the clock was set back since.
    func sinceLastPoll(of task: TrackedTask, at now: Timestamp) -> Duration {
        let age = age(of: task, at: now)
        guard let last = task.lastPendingAt, last <= now else { return age }
        return min(now - last, age)
    }
}
