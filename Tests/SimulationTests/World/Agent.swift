import TaskEngine
import TaskModel
import VerbatimJSON

/// An agent that wants several results of equal requests, one after the other. It repeats calls whose replies are lost, and
/// sometimes forgets the task that it waits for.
struct Agent: Sendable {
    static let name = "studio"

    let submission: Submission
    /// The number of results that it still wants.
    var wanted: Int
    /// The call in progress.
    var call: AgentCall?
    /// The task in the latest reply that it received.
    var task: TaskID?
    /// The tasks of which the daemon may know that the agent was shown the end.
    var shown: Set<String> = []
    /// Those of which the daemon has confirmed it.
    var collected: Set<String> = []

    init(random: SharedRandom) {
        var submission = Submission(
            endpoint: random.pick(["image/make", "song/audios"]) ?? "",
            request: JSONObject([("prompt", "what an agent asks for")]), labels: ["agent": Self.name],
            onUncertain: random.pick([.hold, .resubmitIfAbsent, .fail]))
        submission.joins = true
        self.submission = submission
        wanted = random.integer(in: 1...3)
    }

    /// The next call; nil if it has none to make. `hasEnded` is nil while the agent does not know.
    mutating func nextCall(random: SharedRandom, hasEnded: ((TaskID) -> Bool)? = nil) -> AgentCall? {
        guard call == nil, wanted > 0 else { return nil }
        if hasEnded == nil, random.happens(150) { task = nil }
        guard let task else { return AgentCall(kind: .generate(submission), isDelivered: random.happens(500)) }
        guard hasEnded?(task) ?? true else { return nil }
        return AgentCall(kind: .read(task), isDelivered: random.happens(600))
    }

    /// Ends the call in progress, whose reply may be lost with its daemon.
    mutating func settle(_ answer: Result<TaskID?, TaskServiceError>?) {
        guard let call else { return }
        self.call = nil
        switch (call.kind, answer) {
        case (.generate, .success(let id?)): if call.isDelivered { task = id }
        case (.generate, _), (.read, .success(nil)): break
        case (.read(let id), .success):
            shown.insert(id.text)
            collected.insert(id.text)
            task = nil
            wanted -= 1
        case (.read(let id), .failure), (.read(let id), nil):
            if call.isDelivered { shown.insert(id.text) }
        }
    }
}

/// One call of an agent.
struct AgentCall: Sendable {
    enum Kind: Sendable {
        case generate(Submission)
        case read(TaskID)
    }

    let kind: Kind
    /// Whether the agent receives the reply.
    let isDelivered: Bool

    var words: String {
        switch kind {
        case .generate: "agent generates"
        case .read(let id): "agent reads \(id)"
        }
    }

    /// Performs it as the server does: an end counts as shown once the reply is written. Returns the task, but for a read that
    /// showed no end.
    func perform(on daemon: DaemonIncarnation) async throws(TaskServiceError) -> TaskID? {
        switch kind {
        case .generate(let submission): return try await daemon.service.submit(submission).task.task.id
        case .read(let id):
            guard try await daemon.service.task(id).task.state.hasEnded, isDelivered else { return nil }
            return try await daemon.service.collect(id).task.id
        }
    }
}
