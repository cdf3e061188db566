import PollingPolicy
import TaskModel
import TaskStore

/// An endpoint's measured durations, and the cost of noticing the ends.
struct EndpointStatistics: Sendable {
    /// A stored row and its decoded model.
    struct Entry: Sendable {
        let row: StatisticsRow
        let model: DurationModel
    }

    let endpoint: EndpointName
    /// The entry for all its tasks; the documented durations before the first.
    let all: Entry
    /// The entries for each model name in requests.
    let models: [String: Entry]

    /// The maximum number of models of an endpoint with a separate row; later ones count only for the whole endpoint.
    /// 24 exceeds every provider's list of models, and a program that invents names cannot fill the disk.
    static let mostModels = 24

    init(_ rows: [StatisticsRow], of endpoint: EndpointName, documented: DurationModel) {
        self.endpoint = endpoint
        var all = Entry(row: StatisticsRow(key: StatisticsKey(endpoint)), model: documented)
        var models: [String: Entry] = [:]
        for row in rows {
            // A row of a later version, or a damaged one, is replaced, because statistics are not guaranteed.
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

    /// The entry for a model: its own once it predicts better than the endpoint's.
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
    /// If the provider reports the start, the time in its queue is replaced by the usual time. Until the task starts
    /// there, its age is at most that.
    func beginning(of task: TrackedTask, at now: Timestamp) -> Timestamp {
        let from = task.ageFrom ?? task.submittedAt ?? task.attempt?.startedAt ?? task.createdAt
        let row = entry(for: task.model).row
        guard let usual = row.wait else { return from }
        if let waited = task.waited { return from + (waited - usual) }
        return row.startsTold > 0.9 ? max(from, now - usual) : from
    }

    /// The task's age by ``beginning(of:at:)``.
    ///
    /// It is at least the age at the last poll, so that a clock set back does not make a task younger. It is at least
    /// the time since the last poll; otherwise the next poll would never be due.
    func age(of task: TrackedTask, at now: Timestamp) -> Duration {
        let seen = task.lastPendingAt ?? now
        return max(max(now, seen) - beginning(of: task, at: now), now - seen, .zero)
    }

    /// The time since a poll last found it unfinished; its age if none has, or if the clock was set back since.
    func sinceLastPoll(of task: TrackedTask, at now: Timestamp) -> Duration {
        let age = age(of: task, at: now)
        guard let last = task.lastPendingAt, last <= now else { return age }
        return min(now - last, age)
    }
}
