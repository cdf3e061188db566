import TaskEngine
import TaskModel
import VerbatimJSON

/// What programs and persons want, what they have done, and what they were told.
struct People: Sendable {
    var intents: [Intent]
    /// Ids that somebody was given.
    var promised: Set<String> = []
    var cancelled: Set<String> = []
    var reopened: Set<String> = []
    /// Endpoints that somebody has paused, whether or not it was heard.
    var paused: Set<String> = []
    var resubmissions: [String: Int] = [:]

    /// What that intent's task should have asked the provider for.
    func request(ofIntent number: Int?) -> JSONObject? {
        intents.first { $0.number == number }?.submission.request
    }
}

/// One thing that a program or a person does.
enum Action: Sendable {
    case submit(Int, Submission)
    /// The same key with another body, which must be refused.
    case misuseKey(Submission)
    case cancel(String)
    case reopen(String)
    case resolve(String, UncertainResolution)
    /// Tracks a task of the provider's that others may have submitted.
    case track(String, remoteID: String)
    case pause(String)
    case resume(String)
    /// A daemon that was taken for dead brings a reply.
    case bringReply(LateReply)

    /// For the trace.
    var words: String {
        switch self {
        case .submit(let number, _): "client submits \(number)"
        case .misuseKey(let submission): "client misuses \(submission.idempotencyKey ?? "")"
        case .cancel(let id): "person cancels \(id)"
        case .reopen(let id): "person reopens \(id)"
        case .resolve(let id, let decision): "person resolves \(id) \(decision)"
        case .track(let endpoint, let id): "person tracks \(endpoint) \(id)"
        case .pause(let endpoint): "person pauses \(endpoint)"
        case .resume(let endpoint): "person resumes \(endpoint)"
        case .bringReply(let late): "late reply to attempt \(late.attempt ?? 0) of \(late.task)"
        }
    }

    /// Does it; returns the id that somebody was given.
    func perform(on life: Life) async throws(TaskServiceError) -> TaskID? {
        let service = life.service
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
        case .cancel(let id): return try await service.cancel(id).task.id
        case .reopen(let id): return try await service.reopen(id).task.id
        case .resolve(let id, let decision): return try await service.resolve(id, decision).task.id
        case .track(let endpoint, let remoteID):
            return try await service.adopt(
                endpoint: endpoint, remoteID: remoteID, labels: [:], priority: 0, deadline: nil
            ).task.task.id
        case .pause(let endpoint): try await service.pause(endpoint)
        case .resume(let endpoint): try await service.resume(endpoint)
        case .bringReply(let late): await life.take(late)
        }
        return nil
    }
}
