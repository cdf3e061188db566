import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

/// Asks the provider for a new URL of a file whose URL does not work any more.
struct ArtefactRenewal: Sendable {
    /// What the provider said.
    enum Outcome {
        /// The URL of the file by now. It may be the former one.
        case url(String)
        /// The provider names none, or cannot be asked about this task.
        case none
        /// The provider could not be asked at the moment.
        case unknown
    }

    let store: TaskStore
    @Current var catalog: ProviderCatalog
    let admission: AdmissionControl
    let sender: QuerySender

    func url(of id: Artefact.ID, task stored: TaskWithPayload) async -> Outcome {
        let task = stored.task
        guard let profile = catalog.endpoint(task.endpoint), let remoteID = task.remoteID,
            !profile.dialect.answersOnlyInline, let former = stored.payload.results?[at: id.ordinal]
        else { return .none }
        // Another account does not know the id.
        let endpoint = AccountEndpoint(profile, of: task.account)
        guard admission.accounts.canSend(by: endpoint.owner) else { return .unknown }
        do {
            guard await admission.waitForQuerySlot(of: endpoint) else { return .unknown }
            let request = try profile.dialect.lookup(remoteID, pollURL: task.pollURL)
            let reply = try await sender.send(request, by: endpoint)
            guard case .observed(var observation) = profile.dialect.readLookup(reply, of: remoteID) else {
                return reply.status == 404 || reply.status == 410 ? .none : .unknown
            }
            if let fetching = profile.resultFetching, case .succeeded = observation.verdict {
                guard await admission.waitForQuerySlot(of: endpoint) else { return .unknown }
                let result = try await sender.send(
                    try fetching.request(of: remoteID, record: observation.record), by: endpoint)
                guard case .observed(let whole) = fetching.read(result, of: remoteID, after: observation) else {
                    return .unknown
                }
                observation = whole
            }
            await admission.queriesSucceeded(of: endpoint.service)
            let current = observation.results.first { $0.kind == .url && $0.pointer == former.pointer }
            return current?.value.string.map { .url($0) } ?? .none
        } catch {
            return error is RequestProblem ? .none : .unknown
        }
    }
}

extension [TaskResult] {
    fileprivate subscript(at place: Int) -> TaskResult? { indices.contains(place) ? self[place] : nil }
}
