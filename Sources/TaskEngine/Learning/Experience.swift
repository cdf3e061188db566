import PollingPolicy
import TaskModel
import TaskStore

/// What is known of how long an endpoint's tasks take, and what noticing their ends has cost.
struct Experience: Sendable {
    /// One row as it is stored, and the model in it.
    struct Entry: Sendable {
        let learned: Learned
        let model: DurationModel
    }

    let endpoint: EndpointName
    /// Of all its tasks; what the documents say before the first.
    let all: Entry
    /// By the word that requests use for a model.
    let models: [String: Entry]

    /// Models of an endpoint that have a row of their own; those that come later are learned with all the others. So many
    /// fit any list of a provider's models, and a program that makes up words cannot fill the disk.
    static let mostModels = 24

    init(_ rows: [Learned], of endpoint: EndpointName, documented: DurationModel) {
        self.endpoint = endpoint
        var all = Entry(learned: Learned(key: LearnedKey(endpoint)), model: documented)
        var models: [String: Entry] = [:]
        for row in rows {
            // What a later version wrote, or what is damaged, is learned anew: it is experience, not a promise.
            let model = row.durations.flatMap { DurationModel(decoding: $0) }
            guard let name = row.key.model else {
                all = Entry(learned: row, model: model ?? documented)
                continue
            }
            if let model { models[name] = Entry(learned: row, model: model) }
        }
        self.all = all
        self.models = models
    }

    /// The row that speaks for tasks of that model: its own, once it foretells them better than the endpoint's does.
    func entry(for model: String?) -> Entry {
        guard let model, let own = models[model], own.model.outpredictsParent else { return all }
        return own
    }

    /// The chance that a callback tells of the task's end before a poll would; 0 where it carries no URL of ours.
    func callbackTrust(of task: TrackedTask) -> Double {
        task.attempt?.callback == nil ? 0 : all.learned.callbacks.trust
    }

    /// Whether tasks of that model have or may get a row of their own.
    func hasRoom(for model: String) -> Bool { models[model] != nil || models.count < Self.mostModels }
}

extension Experience {
    /// From when the age of a task counts, so that it can be compared with those that have ended.
    ///
    /// Where the provider tells when it began, its time in the queue counts as the usual one; while it has not begun
    /// there, it grows no older than that.
    func beginning(of task: TrackedTask, at now: Timestamp) -> Timestamp {
        let from = task.ageFrom ?? task.submittedAt ?? task.attempt?.startedAt ?? task.createdAt
        let row = entry(for: task.model).learned
        guard let usual = row.wait else { return from }
        if let waited = task.waited { return from + (waited - usual) }
        return row.startsTold > 0.9 ? max(from, now - usual) : from
    }

    /// How old it is, in these terms. A clock that was set back while nobody looked makes nothing younger than it was
    /// when it was last seen; and whatever it waits for or whatever clock it was sent by, it is as old as the latest look
    /// at it, or it would never be time for the next one.
    func age(of task: TrackedTask, at now: Timestamp) -> Duration {
        let seen = task.lastPendingAt ?? now
        return max(max(now, seen) - beginning(of: task, at: now), now - seen, .zero)
    }

    /// How long ago the provider was last heard to be at work on it; its age if never, or if a clock that was set back
    /// while nobody looked says that it has yet to be.
    func sinceLastPoll(of task: TrackedTask, at now: Timestamp) -> Duration {
        let age = age(of: task, at: now)
        guard let last = task.lastPendingAt, last <= now else { return age }
        return min(now - last, age)
    }
}
