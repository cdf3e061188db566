import ProviderCatalog
import TaskModel
import TaskStore
import Text
import VerbatimJSON

/// Checks a submission and builds its task.
struct NewTaskBuilder: Sendable {
    @Current var catalog: ProviderCatalog
    let random: EngineRandom
    /// The policy of submissions that set none.
    @Current var defaultOnUncertain: UncertainPolicy

    /// What `notify` may name.
    @Current var destinations: [Destination]

    /// The task for a submission.
    func task(for submission: Submission, at now: Timestamp) throws(TaskServiceError) -> NewTask {
        let profile = try catalog.profile(named: submission.endpoint)
        try check(submission.labels)
        if let problem = profile.dialect.problem(with: submission.request) {
            throw .invalidField("request.\(problem.field)", problem: problem.problem)
        }
        try check(submission)
        let key = submission.idempotencyKey.map { NewTask.IdempotencyKey(key: $0, fingerprint: submission.fingerprint) }
        if submission.request["async"] == false, !profile.dialect.answersOnlyInline {
            throw .invalidField(
                "request.async",
                problem:
                    "false would hold the connection for the whole generation, and a reply that takes minutes is easily lost. Omit it; the result arrives anyway."
            )
        }
        var task = submission.task(
            id: newID(at: now), of: profile.name, at: now, onUncertain: defaultOnUncertain)
        task.hasOwnCallback = profile.dialect.hasOwnCallback(in: submission.request)
        var new = NewTask(task: task, payload: TaskPayload(request: .object(submission.request)), idempotencyKey: key)
        new.charge = profile.charge(for: .object(submission.request))
        if submission.joins { new.contentKey = submission.contentKey(of: profile.name) }
        return new
    }

    /// The task for a request that was submitted elsewhere.
    func adopted(
        _ profile: EndpointProfile, remoteID text: String, account: AccountName, labels: [String: String],
        priority: Int, deadline: StatedTime?, at now: Timestamp
    ) throws(TaskServiceError) -> NewTask {
        guard let remoteID = RemoteTaskID(text) else {
            throw .invalidField("remote_id", problem: "must be 1 to 512 characters without spaces")
        }
        guard profile.dialect.canAskByID else {
            throw .invalidField(
                "endpoint",
                problem:
                    "tasks of \(profile.name) can only be polled at an address from the reply to their submission"
            )
        }
        try check(labels)
        var task = TrackedTask(
            id: newID(at: now), endpoint: profile.name, state: .running, createdAt: now,
            onUncertain: defaultOnUncertain, labels: labels, priority: priority, deadline: deadline?.resolved(at: now),
            remoteID: remoteID)
        task.account = account
        task.submittedAt = now
        return NewTask(task: task, payload: TaskPayload(request: .null))
    }

    /// Rejects a destination that does not exist, and an address that is not allowed; a retry may name one that was.
    private func check(_ submission: Submission) throws(TaskServiceError) {
        guard let name = submission.notify, submission.retryOf == nil else { return }
        let destinations = destinations
        if Destination.isAddress(name) {
            let policy = destinations.lazy.compactMap(\.taskURLs).first ?? .off
            if let problem = policy.refusal(of: name) { throw .invalidField("notify", problem: problem) }
            return
        }
        let names = destinations.filter { !$0.isShared }.map(\.name.text)
        guard !names.contains(name) else { return }
        let nearest = NearestName.of(name, among: names).map { "; did you mean \"\($0)\"?" } ?? ""
        throw .invalidField("notify", problem: "the settings have no destination \"\(name)\"\(nearest)")
    }

    /// Rejects zero characters: a database text ends at the first one, so two labels could become one.
    private func check(_ labels: [String: String]) throws(TaskServiceError) {
        guard !labels.contains(where: { $0.key.contains("\0") || $0.value.contains("\0") }) else {
            throw .invalidField("labels", problem: "must not hold the character U+0000")
        }
    }

    private func newID(at now: Timestamp) -> TaskID {
        random.draw { generator in TaskID(at: now, using: &generator) }
    }
}
