import Logging
import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

/// Looks up lost submissions at the provider by their client ids.
struct ClientIDLookup {
    /// The results of the look-ups.
    struct Outcome {
        /// The tasks that the provider knows.
        var found: [TaskID: (id: RemoteTaskID, traceID: String?)] = [:]
        /// The tasks without a reply. The provider may know them.
        var unanswered: Set<TaskID> = []
    }

    let store: TaskStore
    @Current var catalog: ProviderCatalog
    let admission: AdmissionControl
    let sender: QuerySender
    let logger: Logger
    /// The endpoint of any task, as the searched account uses it.
    let endpoint: AccountEndpoint

    /// Looks up each task whose endpoint supports client ids.
    func find(_ tasks: [TrackedTask]) async -> Outcome {
        var outcome = Outcome()
        var asked = 0
        var isOver = false
        for task in tasks {
            guard let profile = catalog.endpoint(task.endpoint), profile.dialect.ownIDMember != nil else {
                continue
            }
            // The claim has taken the first token.
            if !isOver, asked > 0 { isOver = await !admission.waitForQuerySlot(of: endpoint) }
            guard !isOver else {
                outcome.unanswered.insert(task.id)
                continue
            }
            asked += 1
            switch await lookUp(for: task, profile) {
            case .found(let id, let trace): outcome.found[task.id] = (id, trace)
            case .unknown: break
            case .unanswered(let isItsOwn):
                outcome.unanswered.insert(task.id)
                isOver = !isItsOwn
            }
        }
        return outcome
    }

    private enum Reply {
        case found(RemoteTaskID, traceID: String?)
        case unknown
        /// `isItsOwn` means that the failure concerns only this task.
        case unanswered(isItsOwn: Bool)
    }

    private func lookUp(for task: TrackedTask, _ profile: EndpointProfile) async -> Reply {
        let request: JSONObject?
        do throws(TaskStoreError) {
            request = try await store.taskWithPayload(task.id, .nulls)?.payload.request.object
        } catch {
            logger.about(task, code: error.code).error("Could not read the request of \(task.id): \(error.message)")
            return .unanswered(isItsOwn: true)
        }
        guard let id = request.flatMap({ profile.dialect.ownID(in: $0, otherwise: task.id.text) }),
            let query = try? profile.dialect.lookup(id)
        else { return .unanswered(isItsOwn: true) }
        do throws(UpstreamTransportError) {
            let reply = try await sender.send(query, by: endpoint)
            return await read(profile.dialect.readLookup(reply, of: id), of: id)
        } catch {
            return await read(.failed(TaskFailure(error), suspendsProvider: false), of: id)
        }
    }

    private func read(_ verdict: LookupVerdict, of id: RemoteTaskID) async -> Reply {
        switch verdict {
        case .observed(let observation):
            await admission.queriesSucceeded(of: endpoint.service)
            return .found(id, traceID: observation.traceID)
        case .notFound:
            await admission.queriesSucceeded(of: endpoint.service)
            return .unknown
        case .throttled(let failure, let retryAfter):
            await admission.queriesFailed(
                of: endpoint, because: failure, isThrottled: true, retryAfter: retryAfter)
            return .unanswered(isItsOwn: false)
        case .failed(let failure, let suspendsProvider):
            if suspendsProvider { await admission.suspend(endpoint.owner, because: failure) }
            await admission.queriesFailed(of: endpoint, because: failure)
            // An error reply of the provider may concern this id only.
            return .unanswered(isItsOwn: failure.httpStatus != nil && !suspendsProvider)
        }
    }
}
