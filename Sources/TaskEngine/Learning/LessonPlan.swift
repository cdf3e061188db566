import PollingPolicy
import TaskModel
import TaskStore

/// What one transaction teaches about the endpoints whose tasks it is about: one lesson for each row.
struct LessonPlan: Sendable {
    private struct Count: Sendable {
        var calls = 0.0
        var throttled = 0
        var lateCallbacks: [Duration?] = []
    }

    private var counts: [EndpointName: Count] = [:]
    private var ends: [LearnedKey: [TaskID: EndOfTask]] = [:]
    private var wider: [EndpointName: DurationModel] = [:]

    /// So many calls were spent on these endpoints.
    mutating func add(_ calls: [EndpointName: Double]) {
        for (endpoint, count) in calls { counts[endpoint, default: Count()].calls += count }
    }

    /// Whether it is about a task that may have ended.
    var hasEnds: Bool { !ends.isEmpty }

    /// The provider said "too many" to a call about these tasks.
    mutating func countThrottled(about tasks: [TrackedTask]) {
        for endpoint in Set(tasks.map(\.endpoint)) { counts[endpoint, default: Count()].throttled += 1 }
    }

    /// A delivery told of an end that a poll had found before.
    mutating func countLateCallback(about task: TrackedTask, delay: Duration?) {
        counts[task.endpoint, default: Count()].lateCallbacks.append(delay)
    }

    /// Should this task have ended once the transaction is written, it teaches how long its kind takes.
    mutating func add(_ end: EndOfTask, experience: Experience) {
        let endpoint = end.task.endpoint
        wider[endpoint] = experience.all.model
        ends[LearnedKey(endpoint), default: [:]][end.task.id] = end
        if let model = end.task.model, experience.hasRoom(for: model) {
            ends[LearnedKey(endpoint, model: model), default: [:]][end.task.id] = end
        }
    }

    /// The lessons, one for each row.
    var lessons: [Lesson] {
        Set(ends.keys).union(counts.keys.map { LearnedKey($0) }).map { key in
            let count = key.model == nil ? counts[key.endpoint] : nil
            let ends = ends[key] ?? [:]
            let wider = wider[key.endpoint]
            return Lesson(about: key) { row, changes in
                row.calls += count?.calls ?? 0
                row.throttled += count?.throttled ?? 0
                for delay in count?.lateCallbacks ?? [] { row.callbacks.came(after: delay) }
                let ended = changes.compactMap { change -> (EndOfTask, CallbackRecord)? in
                    guard case .advance(let state) = change.transition, state.hasEnded else { return nil }
                    return ends[change.task.id].map { ($0, change.task.callbacks) }
                }
                if let wider, !ended.isEmpty { row.learn(from: ended, wider: wider) }
            }
        }
    }
}

extension Learned {
    /// Takes over what these ends teach; `wider` is what the endpoint as a whole knew before.
    fileprivate mutating func learn(from ends: [(EndOfTask, CallbackRecord)], wider: DurationModel) {
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

    /// What the latest task counts for among those before it.
    private static let share = 0.1
}

extension CallbackExperience {
    /// Trust comes with deliveries and goes with the first that fails to come before the poll that finds the end: a
    /// dozen of them in a row are believed nearly entirely, and one that is missing is enough to ask as if there were none.
    fileprivate mutating func learn(from delivered: CallbackRecord, of end: EndOfTask) {
        expected += 1
        guard let finalAt = delivered.finalAt else {
            trust *= 0.25
            return
        }
        trust += (1 - trust) * 0.2
        came(after: end.callbackDelay(finalAt))
    }

    /// One came, so long after the end.
    fileprivate mutating func came(after delay: Duration?) {
        came += 1
        guard let delay else { return }
        self.delay += delay
        delaySamples += 1
    }
}
