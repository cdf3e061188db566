import PollingPolicy
import ProviderCatalog
import TaskModel
import TaskStore

extension EngineContext {
    /// When to ask for a running task next, if `sharing` tasks of its service usually share a call.
    ///
    /// Never sooner than the provider allows: `leaveAlone` is what its latest reply asked for.
    func nextPoll(
        of task: TrackedTask, at now: Timestamp, sharedBy sharing: Int = 1, leaveAlone: Duration? = nil
    ) async -> Timestamp {
        let experience = await experiences.experience(of: task.endpoint)
        let age = experience.age(of: task, at: now)
        var history = PollHistory(
            submittedAt: now - age,
            retryNotBefore: [leaveAlone, catalog.endpoint(task.endpoint)?.minGap].compactMap(\.self).max().map {
                now + $0
            },
            unrecognisedInARow: unrecognised.inARow(task.id))
        if let percent = task.progress, let since = task.progressAt {
            history.progress = PollHistory.Progress(percent: percent, since: min(since, now))
        }
        let model = experience.entry(for: task.model).model
        return random.draw { generator in
            polling.nextPoll(
                after: history, model: model, now: now, callbackReliability: experience.callbackTrust(of: task),
                sharedBy: sharing, using: &generator)
        }
    }

    /// What the end of a task would teach.
    func end(of task: TrackedTask, at now: Timestamp, saying observation: Observation?) async -> (
        EndOfTask, Experience
    ) {
        let experience = await experiences.experience(of: task.endpoint)
        let end = EndOfTask(
            task: task, now: now, observation: observation,
            usualWait: experience.entry(for: task.model).learned.wait, watchingSince: clock.watchingSince)
        return (end, experience)
    }

    /// What is learned from tasks that are given up here: that they take longer than this.
    func lessons(from tasks: [TrackedTask], givenUpAt now: Timestamp) async -> [Lesson] {
        var plan = LessonPlan()
        for task in tasks where task.state == .running {
            let (end, experience) = await end(of: task, at: now, saying: nil)
            plan.add(end, experience: experience)
        }
        return plan.lessons
    }

    /// Whether the task's log should say now that it takes longer than 99 of 100 of its kind.
    func isNewlySlow(_ task: TrackedTask, at now: Timestamp) async -> Bool {
        guard task.slowAt == nil else { return false }
        let experience = await experiences.experience(of: task.endpoint)
        let model = experience.entry(for: task.model).model
        return model.sampleCount >= Self.samplesForSlowness && model.isSlow(at: experience.age(of: task, at: now))
    }

    /// Below this many tasks nobody can tell what one in a hundred is.
    private static var samplesForSlowness: Int { 20 }
}
