import Logging
package import ProviderCatalog
package import TaskModel
package import TaskStore
import VerbatimJSON

/// Finds tasks, and shows them as the provider would.
extension GatewayService {
    /// The tasks that have these ids: the provider's, or ours where the provider's was not known yet.
    package func tasks(
        _ ids: [RemoteTaskID], of endpoints: [EndpointProfile]
    ) async throws(TaskServiceError) -> [RemoteTaskID: TaskWithPayload] {
        let providers = Set(endpoints.map(\.provider))
        var found: [RemoteTaskID: TaskID] = [:]
        do throws(TaskStoreError) {
            let services = Set(endpoints.map(\.name.service)).sorted()
            found = try await store.owners(of: ids, in: services)
        } catch {
            throw .store(error)
        }
        var tasks: [RemoteTaskID: TaskWithPayload] = [:]
        for id in ids {
            // Some providers' ids are paths, so ours is the last part of one.
            let last = id.text.split(separator: "/").last.map(String.init) ?? id.text
            guard let task = found[id] ?? TaskID(last) else { continue }
            guard let stored = try await stored(task),
                catalog.endpoint(stored.task.endpoint).map({ providers.contains($0.provider) }) ?? false
            else { continue }
            tasks[id] = stored
        }
        return tasks
    }

    private func stored(_ id: TaskID) async throws(TaskServiceError) -> TaskWithPayload? {
        do throws(TaskStoreError) { return try await store.taskWithPayload(id) } catch { throw .store(error) }
    }

    /// The provider's reply to the submission of a task, if it is kept.
    package func reply(to task: TaskID) async throws(TaskServiceError) -> SubmissionReply? {
        do throws(TaskStoreError) { return try await store.submissionReply(of: task) } catch { throw .store(error) }
    }

    /// What a dialect needs to know of a task. `address` is where the provider's paths begin at the gateway.
    package func view(
        of stored: TaskWithPayload, at address: String
    ) async throws(TaskServiceError) -> GatewayTask {
        var view = GatewayTask(stored, at: address)
        if view.record == nil, view.phase == .pending, let reply = try await reply(to: stored.task.id) {
            view.acceptance = try? JSONValue(parsing: reply.body, limits: .lenient)
        }
        return view
    }

    /// Notes that a program asks about a task. If it submitted the task, the reply to that has arrived.
    package func noteAsked(about task: TrackedTask, by program: String) {
        if task.labels["program"] == program { fates.noteAsked(about: task.id, at: time.now()) }
    }

    /// How old the record of a task is.
    package func age(of task: TrackedTask) -> Duration {
        let seen = [task.lastPendingAt, task.endedAt, task.submittedAt].compactMap(\.self).max() ?? task.createdAt
        return max(time.now() - seen, .zero)
    }

    /// How long it takes until the record of a running task may be newer; nil for a task that is not polled.
    package func nextLook(at task: TrackedTask) -> Duration? {
        guard !task.state.hasEnded, let due = task.nextDueAt else { return nil }
        // The poll itself takes a moment.
        return max(due - time.now() + .milliseconds(300), .milliseconds(500))
    }

    /// The account that has a task, or by which requests of programs go that are about no task of ours.
    package func account(of task: TrackedTask?, provider: ProviderName) -> ProviderAccount {
        let name = task.flatMap { $0.remoteID == nil || $0.account == .unknown ? nil : $0.account }
        return ProviderAccount(provider: provider, account: name ?? admission.accounts.first(of: provider))
    }

    /// The task after its next change, or when the time is over.
    package func change(of stored: TaskWithPayload, within patience: Duration) async throws(TaskServiceError)
        -> TaskWithPayload
    {
        guard !stored.task.state.hasEnded else { return stored }
        return try await service.task(stored.task.id, waitingFor: patience)
    }

    // MARK: Cancelling

    /// Has the provider end a task. Returns its reply; nil if the task has ended, or is not known to it.
    ///
    /// A running task goes on until a poll shows how it ended, since the program asks for that.
    package func cancel(
        _ stored: TaskWithPayload, of profile: EndpointProfile
    ) async throws(TaskServiceError) -> Result<UpstreamReply, UpstreamTransportError>? {
        let task = stored.task
        guard !task.state.hasEnded else { return nil }
        guard let id = task.remoteID, let cancelling = profile.dialect.cancelling else {
            _ = try await service.cancel(task.id)
            return nil
        }
        let request: UpstreamRequest?
        do throws(RequestProblem) { request = try cancelling.cancellation(of: id, record: nil) } catch {
            throw .invalidField(error.field, problem: error.problem)
        }
        guard let request else { return nil }
        do throws(UpstreamTransportError) {
            let reply = try await transport.send(
                request, by: account(of: task, provider: profile.provider), isPaid: false, timeout: .seconds(30))
            await lookSoon(at: task)
            return .success(reply)
        } catch {
            return .failure(error)
        }
    }

    private func lookSoon(at task: TrackedTask) async {
        do throws(TaskStoreError) {
            try await store.postpone([task.id], until: time.now())
            wakes.polls.signal()
        } catch {
            logger.about(task).debug("\(task.id) is polled when it is due: \(error.message)")
        }
    }
}

/// A provider as programs reach it through the gateway.
package struct GatewayProvider: Sendable {
    package let name: ProviderName
    package let url: String
    /// The environment variables of its clients. `{token}` stands for a token.
    package let environment: [String: String]
}

extension GatewayService {
    /// All providers, for a gateway at that address.
    package func providers(at address: String) -> [GatewayProvider] {
        catalog.providers.map { provider in
            let url = "\(address)/\(provider.name)"
            return GatewayProvider(
                name: provider.name, url: url + provider.gateway.basePath,
                environment: Dictionary(
                    provider.gateway.environment.map { ($0.name, $0.value(gateway: url, token: "{token}")) }
                ) { first, _ in first })
        }
    }
}
