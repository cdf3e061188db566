import AsyncHTTPClient
package import LocalAPIContract
import NIOHTTP1
import Text
package import VerbatimJSON

/// Sends requests to the daemon over its Unix socket, one method per route.
///
/// Use ``with(socketPath:patience:_:)`` to create it, which closes its connections. Only ``waitForEnd`` and
/// ``submitOnce`` retry, because they are safe to repeat.
package struct LocalAPIClient: Sendable {
    /// The path of the daemon's socket.
    package let socketPath: String
    /// How long to wait for a daemon that goes away.
    package let patience: Duration
    private let http: HTTPClient

    /// Runs the body with a client and closes its connections afterwards.
    package static func with<Value>(
        socketPath: String, patience: Duration = .seconds(30),
        _ body: (LocalAPIClient) async throws -> Value
    ) async throws -> Value {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.httpVersion = .http1Only
        // A missing socket is reported, not retried without the caller's knowledge.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 128
        return try await HTTPClient.withHTTPClient(configuration: configuration) { http in
            try await body(LocalAPIClient(socketPath: socketPath, patience: patience, http: http))
        }
    }
}

// MARK: Tasks

extension LocalAPIClient {
    /// Submits a task. The status is 201, or 200 if its idempotency key was known or if it joined a task.
    package func submit(_ document: SubmitDocument) async throws(LocalAPIClientError) -> Answer<TaskDocument> {
        try await post(LocalAPIRoute.tasks.path(), document.json)
    }

    /// Submits many tasks in one request and passes on the replies in order, each when it arrives.
    ///
    /// After an error, the outcome of documents without a reply is unknown. With idempotency keys, they may be sent
    /// again.
    package func submit(
        _ documents: some Sequence<SubmitDocument>, onAnswer: (BatchLine, JSONValue) throws -> Void
    ) async throws {
        let exchange = exchange(timeout: .seconds(300))
        let lines = documents.map { $0.json.utf8 + [UInt8(ascii: "\n")] }
        var unanswered = lines.count
        let refusal = try await exchange.send(lines: Array(lines.joined()), to: LocalAPIRoute.tasks.path()) { json in
            let answer: BatchLine
            do throws(ContractError) {
                answer = try BatchLine(json: json)
            } catch {
                throw LocalAPIClientError.unreadable(error.message)
            }
            guard unanswered > 0 else {
                throw LocalAPIClientError.unreadable("More replies arrived than were requested.")
            }
            unanswered -= 1
            try onAnswer(answer, json)
        }
        if let (status, json) = refusal { throw LocalAPIClientError.refusal(status: status, json: json) }
        guard unanswered == 0 else { throw LocalAPIClientError.interrupted("\(unanswered) replies are missing") }
    }

    /// Tracks a task that was submitted elsewhere.
    package func adopt(_ document: AdoptDocument) async throws(LocalAPIClientError) -> Answer<TaskDocument> {
        try await post(LocalAPIRoute.adopt.path(), document.json)
    }

    /// The task with that id or unique prefix. With `wait`, at most 300 s, the reply comes when the task has ended or
    /// the time is over.
    package func task(
        _ id: String, wait: Duration? = nil
    ) async throws(LocalAPIClientError) -> Answer<TaskDocument> {
        let seconds = wait.map { max(0, min(300, $0.components.seconds)) }
        return try await send(
            .GET, LocalAPIRoute.task.path(id) + (seconds.map { "?wait_seconds=\($0)" } ?? ""),
            timeout: .seconds(30) + .seconds(seconds ?? 0))
    }

    /// One page of tasks, newest first.
    package func tasks(_ query: TaskQuery = TaskQuery()) async throws(LocalAPIClientError) -> Answer<TaskPage> {
        try await send(.GET, LocalAPIRoute.tasks.path() + query.text)
    }

    /// Stops tracking a task; the provider may still bill it.
    package func cancel(_ id: String) async throws(LocalAPIClientError) -> Answer<TaskDocument> {
        try await post(LocalAPIRoute.cancel.path(id))
    }

    /// Notes that an agent was shown the end of a task, so that its next equal submission is a new task.
    package func collect(_ id: String) async throws(LocalAPIClientError) -> Answer<TaskDocument> {
        try await post(LocalAPIRoute.collect.path(id))
    }

    /// Tracks a cancelled or expired task again.
    package func reopen(_ id: String) async throws(LocalAPIClientError) -> Answer<TaskDocument> {
        try await post(LocalAPIRoute.reopen.path(id))
    }

    /// Submits the request of an ended task again, which is paid for again. The status is 200 if the retry of that number
    /// exists, so this is safe to repeat.
    package func retry(_ id: String, number: Int = 1) async throws(LocalAPIClientError) -> Answer<TaskDocument> {
        try await post(LocalAPIRoute.retry.path(id) + (number == 1 ? "" : "?number=\(number)"))
    }

    /// Has every file of a task's results fetched that is not on disk.
    package func fetchResults(_ id: String) async throws(LocalAPIClientError) -> Answer<TaskDocument> {
        try await post(LocalAPIRoute.fetchResults.path(id))
    }

    /// Passes on the bytes of a file of a result, as they come.
    package func download(_ sha256: String, onPart: ([UInt8]) throws -> Void) async throws {
        let exchange = Exchange(http: http, socketPath: socketPath, timeout: .seconds(24 * 3_600))
        if let (status, json) = try await exchange.receive(LocalAPIRoute.artefact.path(sha256), onPart: onPart) {
            throw LocalAPIClientError.refusal(status: status, json: json)
        }
    }

    /// Pins the details of a task.
    package func pin(_ id: String) async throws(LocalAPIClientError) -> Answer<TaskDocument> {
        try await post(LocalAPIRoute.pin.path(id))
    }

    /// Unpins the details of a task.
    package func unpin(_ id: String) async throws(LocalAPIClientError) -> Answer<TaskDocument> {
        try await post(LocalAPIRoute.unpin.path(id))
    }

    /// Removes the details of an ended task at once.
    package func delete(_ id: String) async throws(LocalAPIClientError) -> Answer<TaskDocument> {
        try await post(LocalAPIRoute.delete.path(id))
    }

    /// Resolves an uncertain submission.
    package func resolve(
        _ id: String, _ document: ResolveDocument
    ) async throws(LocalAPIClientError) -> Answer<TaskDocument> {
        try await post(LocalAPIRoute.resolve.path(id), document.json)
    }

    /// The whole log of a task, oldest first, from all its pages.
    package func events(_ id: String) async throws(LocalAPIClientError) -> Answer<EventPage> {
        let limit = 1000
        var log: Answer<EventPage>?
        while true {
            let after = log?.document.events.last.map { "&after=\($0.sequence)" } ?? ""
            let page: Answer<EventPage> = try await send(
                .GET, LocalAPIRoute.events.path(id) + "?limit=\(limit)" + after)
            log = log.map { $0.appending(page) } ?? page
            if let log, page.document.events.count < limit { return log }
        }
    }
}

// MARK: Endpoints and the daemon

extension LocalAPIClient {
    /// All endpoints that the daemon knows.
    package func endpoints() async throws(LocalAPIClientError) -> Answer<EndpointPage> {
        try await send(.GET, LocalAPIRoute.endpoints.path())
    }

    /// One endpoint.
    package func endpoint(
        service: String, operation: String
    ) async throws(LocalAPIClientError) -> Answer<EndpointDocument> {
        try await send(.GET, LocalAPIRoute.endpoint.path(service, operation))
    }

    /// Pauses submissions to an endpoint. Tracking continues.
    package func pause(
        service: String, operation: String
    ) async throws(LocalAPIClientError) -> Answer<EndpointDocument> {
        try await post(LocalAPIRoute.pause.path(service, operation))
    }

    /// Resumes submissions to an endpoint, or only those by one account.
    package func resume(
        service: String, operation: String, account: String? = nil
    ) async throws(LocalAPIClientError) -> Answer<EndpointDocument> {
        let query = account.map { "?account=\($0.percentEncoded())" } ?? ""
        return try await post(LocalAPIRoute.resume.path(service, operation) + query)
    }

    /// Ends `--hold` and every pause.
    package func resumeAll() async throws(LocalAPIClientError) -> Answer<EndpointPage> {
        try await post(LocalAPIRoute.resumeAll.path())
    }

    /// Whether the database is an older copy, and what may have been sent since.
    package func restore() async throws(LocalAPIClientError) -> Answer<RestoreDocument> {
        try await send(.GET, LocalAPIRoute.restore.path())
    }

    /// Decides about a database that is an older copy.
    package func restore(
        _ decision: RestoreDecisionDocument
    ) async throws(LocalAPIClientError) -> Answer<RestoreDocument> {
        try await post(LocalAPIRoute.restore.path(), decision.json)
    }

    /// Compares the providers' lists with the tasks. Long lists take minutes.
    package func reconcile(
        _ request: ReconcileRequestDocument
    ) async throws(LocalAPIClientError) -> Answer<ReconcileDocument> {
        try await send(.POST, LocalAPIRoute.reconcile.path(), body: request.json, timeout: .seconds(6 * 3_600))
    }

    /// The state of the daemon.
    package func status() async throws(LocalAPIClientError) -> Answer<StatusDocument> {
        try await send(.GET, LocalAPIRoute.status.path())
    }

    /// Writes a copy of the database into the directory, an absolute path on the daemon's machine.
    package func backUp(into directory: String) async throws(LocalAPIClientError) -> Answer<BackupDocument> {
        try await send(
            .POST, LocalAPIRoute.backup.path(), body: BackupRequestDocument(directory: directory).json,
            timeout: .seconds(6 * 3_600))
    }

    /// Reloads the daemon's settings.
    package func reload() async throws(LocalAPIClientError) -> Answer<ReloadDocument> {
        try await post(LocalAPIRoute.reload.path())
    }

    /// Removes what is older than the retention allows, or counts it.
    package func prune(dryRun: Bool) async throws(LocalAPIClientError) -> Answer<PruneDocument> {
        try await send(
            .POST, LocalAPIRoute.prune.path(), body: PruneRequestDocument(dryRun: dryRun).json,
            timeout: .seconds(6 * 3_600))
    }

    /// Has the daemon check itself and its surroundings. Providers and receivers may be slow.
    package func doctor() async throws(LocalAPIClientError) -> Answer<DoctorDocument> {
        try await send(.POST, LocalAPIRoute.doctor.path(), timeout: .seconds(600))
    }

    /// What was spent by attempts that started in a time.
    package func spend(
        by grouping: String, since: String? = nil, until: String? = nil
    ) async throws(LocalAPIClientError) -> Answer<SpendDocument> {
        let parameters = [("by", grouping), ("since", since), ("until", until)] as [(String, String?)]
        let query = parameters.compactMap { name, value in value.map { "\(name)=\($0.percentEncodedSegment)" } }
        return try await send(.GET, LocalAPIRoute.spend.path() + "?" + query.joined(separator: "&"))
    }

    /// All budgets.
    package func budgets() async throws(LocalAPIClientError) -> Answer<BudgetPage> {
        try await send(.GET, LocalAPIRoute.budgets.path())
    }

    /// Sets the limit of a budget until its period ends; nil gives it the limit of the settings back.
    package func setLimit(
        of budget: String, to limit: String?
    ) async throws(LocalAPIClientError) -> Answer<BudgetDocument> {
        try await post(LocalAPIRoute.budget.path(budget), BudgetRequestDocument(limit: limit).json)
    }

    /// Lets a queued task exceed its budgets, once.
    package func approve(_ id: String) async throws(LocalAPIClientError) -> Answer<TaskDocument> {
        try await post(LocalAPIRoute.approve.path(id))
    }

    /// The destinations of notifications.
    package func destinations() async throws(LocalAPIClientError) -> Answer<DestinationPage> {
        try await send(.GET, LocalAPIRoute.notifications.path())
    }

    /// Notifications that are not sent any more.
    package func deadLetters() async throws(LocalAPIClientError) -> Answer<DeadLetterPage> {
        try await send(.GET, LocalAPIRoute.deadLetters.path())
    }

    /// Sends events to a destination once more.
    package func replay(
        _ replay: ReplayRequestDocument, to destination: String
    ) async throws(LocalAPIClientError) -> Answer<ReplayDocument> {
        try await post(LocalAPIRoute.replay.path(destination), replay.json)
    }

    /// Sends a test to a destination. A program may take more than a minute.
    package func test(destination: String) async throws(LocalAPIClientError) -> Answer<DeliveryTestDocument> {
        try await send(.POST, LocalAPIRoute.testDestination.path(destination), timeout: .seconds(90))
    }

    /// How programs reach the gateway.
    package func gateway() async throws(LocalAPIClientError) -> Answer<GatewayDocument> {
        try await send(.GET, LocalAPIRoute.gateway.path())
    }

    /// Makes a token of the gateway.
    package func addGatewayToken(named name: String) async throws(LocalAPIClientError) -> Answer<GatewayTokenDocument> {
        try await post(LocalAPIRoute.gatewayTokens.path(), GatewayTokenRequestDocument(name: name).json)
    }

    /// Removes a token of the gateway.
    package func removeGatewayToken(named name: String) async throws(LocalAPIClientError) -> Answer<GatewayDocument> {
        try await post(LocalAPIRoute.gatewayTokenRemoval.path(name))
    }

    /// Makes an address that lets one browser into the dashboard, once.
    package func openDashboard(readOnly: Bool) async throws(LocalAPIClientError) -> Answer<DashboardLoginDocument> {
        try await post(LocalAPIRoute.dashboardLogins.path(), DashboardLoginRequestDocument(readOnly: readOnly).json)
    }

    /// Whether the daemon runs.
    package func health() async throws(LocalAPIClientError) -> Answer<HealthDocument> {
        try await send(.GET, LocalAPIRoute.health.path())
    }

    /// Whether the daemon accepts work; throws a problem if not.
    package func readiness() async throws(LocalAPIClientError) -> Answer<HealthDocument> {
        try await send(.GET, LocalAPIRoute.readiness.path())
    }

    /// The OpenAPI document.
    package func description() async throws(LocalAPIClientError) -> Answer<JSONValue> {
        try await send(.GET, LocalAPIRoute.description.path())
    }
}

// MARK: Sending

extension LocalAPIClient {
    private func post<Document: MemberValue>(
        _ target: String, _ body: JSONValue? = nil
    ) async throws(LocalAPIClientError) -> Answer<Document> {
        try await send(.POST, target, body: body)
    }

    /// The sender of one request.
    func exchange(timeout: Duration) -> Exchange { Exchange(http: http, socketPath: socketPath, timeout: timeout) }

    private func send<Document: MemberValue>(
        _ method: HTTPMethod, _ target: String, body: JSONValue? = nil, timeout: Duration = .seconds(60)
    ) async throws(LocalAPIClientError) -> Answer<Document> {
        let (status, json) = try await exchange(timeout: timeout).send(method, target, body: body)
        guard (200..<300).contains(status) else { throw .refusal(status: status, json: json) }
        do throws(ContractError) {
            return Answer(status: status, json: json, document: try Document.read(json, at: nil))
        } catch {
            throw .unreadable(error.message)
        }
    }
}

extension Answer<EventPage> {
    /// Joins two pages.
    fileprivate func appending(_ page: Answer<EventPage>) -> Answer<EventPage> {
        let lines = (json["events"]?.array ?? []) + (page.json["events"]?.array ?? [])
        return Answer(
            status: status, json: ["events": .array(lines), "removed_at": page.json["removed_at"] ?? .null],
            document: EventPage(
                events: document.events + page.document.events, removedAt: page.document.removedAt))
    }
}
