import TaskEngine
import TaskModel
import TaskStore
import VerbatimJSON

/// The state of all clients and users: their intents, actions and replies.
struct Clients: Sendable {
    var intents: [Intent]
    /// What programs want to submit through the gateway.
    var passed: [PassedIntent] = []
    var agent: Agent?
    /// The task ids that clients received.
    var promised: Set<String> = []
    var cancelled: Set<String> = []
    var reopened: Set<String> = []
    /// The endpoints that a user paused, whether or not it succeeded.
    var paused: Set<String> = []
    var resubmissions: [String: Int] = [:]

    /// The request of that intent.
    func request(ofIntent number: Int?) -> JSONObject? {
        intents.first { $0.number == number }?.submission.request
    }

    /// The request of a task.
    func request(of row: DiskView.TaskLine) -> JSONObject? {
        if row.agent != nil { return agent?.submission.request }
        return row.program.flatMap { program in passed.first { $0.submission.program == program }?.request }
            ?? request(ofIntent: row.intent)
    }
}

/// An action of a client or a user.
enum Action: Sendable {
    case submit(Int, Submission)
    /// Reuses a key with another body, which must be rejected.
    case misuseKey(Submission)
    case cancel(String)
    case reopen(String)
    case resolve(String, UncertainResolution)
    /// Tracks a provider task, possibly of another program.
    case track(String, remoteID: String, account: AccountName)
    case pause(String)
    case resume(String)
    /// Repeats a submission that was answered, with its key. The reply must name that task.
    case repeatKey(Submission, TaskID)
    case pin(String, Bool)
    case delete(String)
    case prune
    /// A client copies the file with that digest.
    case copyFile(String)
    /// A program submits through the gateway.
    case pass(PassedTry)
    /// The gateway stores what became of its replies.
    case recordFates
    /// An agent makes a call.
    case call(AgentCall)
    /// A client reads the stream of events.
    case follow(Follower)
    /// A person compares the provider's lists with the tasks, and perhaps tracks what no task has.
    case reconcile(adopts: Bool)
    /// A daemon that only seemed dead delivers a reply.
    case bringReply(LateReply)
    /// A person sets the limit of a budget, or gives it that of the settings back.
    case setLimit(String, Int64?)
    /// A person lets a task exceed its budgets.
    case approve(String)

    /// The name of the simulated task that compares lists with tasks.
    static let reconciling = "person reconciles"

    /// The action in the trace.
    var words: String {
        switch self {
        case .submit(let number, _): "client submits \(number)"
        case .misuseKey(let submission): "client misuses \(submission.idempotencyKey ?? "")"
        case .cancel(let id): "person cancels \(id)"
        case .reopen(let id): "person reopens \(id)"
        case .resolve(let id, let decision): "person resolves \(id) \(decision)"
        case .track(let endpoint, let id, _): "person tracks \(endpoint) \(id)"
        case .pause(let endpoint): "person pauses \(endpoint)"
        case .resume(let endpoint): "person resumes \(endpoint)"
        case .repeatKey(let submission, _): "client repeats \(submission.idempotencyKey ?? "")"
        case .pin(let id, let isPinned): "person \(isPinned ? "pins" : "unpins") \(id)"
        case .delete(let id): "person deletes \(id)"
        case .prune: "person prunes"
        case .copyFile(let digest): "client copies \(digest.suffix(4))"
        case .pass(let attempt): "program passes \(attempt.number)"
        case .recordFates: "gateway records"
        case .call(let call): call.words
        case .follow: "client follows"
        case .reconcile(let adopts): "\(Self.reconciling)\(adopts ? " and adopts" : "")"
        case .setLimit(let name, let limit): "person sets \(name) to \(limit.map(Micros.text) ?? "its own limit")"
        case .approve(let id): "person approves \(id)"
        case .bringReply(let late): "late reply to attempt \(late.attempt ?? 0) of \(late.task)"
        }
    }

    /// Performs the action. Returns the id that the client received.
    func perform(on daemon: DaemonIncarnation) async throws(TaskServiceError) -> TaskID? {
        let service = daemon.service
        switch self {
        case .submit(_, let submission): return try await service.submit(submission).task.task.id
        case .misuseKey(let submission):
            do throws(TaskServiceError) {
                _ = try await service.submit(submission)
            } catch {
                if case .keyConflict = error { return nil }
                throw error
            }
            return nil
        case .cancel(let id): return try await service.cancel(service.id(of: id)).task.id
        case .reopen(let id): return try await service.reopen(service.id(of: id)).task.id
        case .resolve(let id, let decision): return try await service.resolve(service.id(of: id), decision).task.id
        case .track(let endpoint, let remoteID, let account):
            return try await service.adopt(
                endpoint: endpoint, remoteID: remoteID, account: account.text, labels: [:], priority: 0, deadline: nil
            ).task.task.id
        case .pause(let endpoint): try await daemon.endpoints.pause(endpoint)
        case .resume(let endpoint): try await daemon.endpoints.resume(endpoint)
        case .repeatKey(let submission, _): return try await service.submit(submission).task.task.id
        case .pin(let id, let isPinned): try await daemon.retention.pin(service.id(of: id), isPinned)
        case .delete(let id): try await daemon.retention.delete(service.id(of: id))
        case .prune: _ = try await daemon.retention.prune(isDryRun: false)
        case .copyFile(let digest): await daemon.artefacts?.noteDelivery(of: digest)
        case .pass(let attempt): return try await attempt.perform(on: daemon)?.task
        case .recordFates:
            do throws(TaskStoreError) { _ = try await daemon.fateRecorder.step() } catch { throw .store(error) }
        case .call(let call): return try await call.perform(on: daemon)
        case .follow(let follower): try await follower.read(from: daemon.streams)
        case .reconcile(let adopts):
            let began = daemon.world.clock.providerNow
            daemon.world.comparisons.note(try await daemon.reconciliation.run(adopts: adopts), began: began)
        case .setLimit(let name, let limit): _ = try await daemon.money.setLimit(of: name, to: limit)
        case .approve(let id): return try await service.approve(service.id(of: id)).task.id
        case .bringReply(let late): await daemon.take(late)
        }
        return nil
    }
}
