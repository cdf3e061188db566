import Logging
package import ProviderCatalog
package import TaskModel
package import TaskStore
package import VerbatimJSON

/// A request to the gateway that submits a task.
package struct GatewaySubmission: Sendable {
    package var endpoint: EndpointName
    package var request: JSONObject
    package var message: PassedMessage
    /// The name of the program's token.
    package var program: String
    /// SHA-256 of what makes two requests equal.
    package var contentKey: [UInt8]
    package var idempotencyKey: String?
    /// Whether the client says that it has sent the same request before.
    package var isCountedRetry = false
    /// False if the program asks for a task of its own.
    package var mayJoin = true
    package var rule = JoinRule()

    package init(
        endpoint: EndpointName, request: JSONObject, message: PassedMessage = PassedMessage(), program: String,
        contentKey: [UInt8]
    ) {
        self.endpoint = endpoint
        self.request = request
        self.message = message
        self.program = program
        self.contentKey = contentKey
    }
}

/// The task of a submission.
package struct GatewayAdmission: Sendable {
    package let task: TaskID
    /// Whether an earlier request had submitted it.
    package let isJoined: Bool
    /// The exchange, whose fate the caller reports; nil if an idempotency key makes the submission repeatable.
    package let exchange: OpenExchange?
}

/// An exchange whose reply is not written yet.
package struct OpenExchange: Sendable, Hashable {
    let mark: Int64
    let contentKey: [UInt8]
}

/// GatewayService submits, finds and cancels the tasks of programs that speak to the gateway.
package struct GatewayService: Sendable {
    package let tokens: LocalTokens
    package let fates: ExchangeFates
    @Current package var catalog: ProviderCatalog
    let store: TaskStore
    let service: TaskService
    let newTasks: NewTaskBuilder
    let admission: AdmissionControl
    let transport: any UpstreamTransport
    let storage: StorageMonitor
    let feed: EventFeed
    let unknown: UnknownIDs
    let random: EngineRandom
    let wakes: WakeSignals
    let time: any TimeSource
    let logger: Logger

    /// Stores a submission, or finds the task that it retries. Returns once that is on disk.
    package func submit(_ submission: GatewaySubmission) async throws(TaskServiceError) -> GatewayAdmission {
        let now = time.now()
        let new = try task(for: submission, at: now)
        let arrival = submission.idempotencyKey == nil ? arrival(of: submission) : nil
        let unstored = fates.unstored
        let result: PassedResult
        do throws(TaskStoreError) {
            result = try await store.submit(
                PassedSubmission(task: new, message: submission.message, arrival: arrival), after: unstored, at: now)
            fates.drop(unstored)
        } catch {
            // If it was stored after all, the next equal request is its retry.
            if case .unknown = error, let arrival { fates.add(arrival.exchange.fate(.undelivered, at: now)) }
            storage.noteFailedWrite(error)
            throw .store(error)
        }
        switch result {
        case .joined(let task): return GatewayAdmission(task: task, isJoined: true, exchange: arrival?.exchange)
        case .inserted(.created):
            service.noteQueued(new.task)
            return GatewayAdmission(task: new.task.id, isJoined: false, exchange: arrival?.exchange)
        case .inserted(.keyInUse(let existing, sameBody: true)):
            return GatewayAdmission(task: existing, isJoined: true, exchange: nil)
        case .inserted(.keyInUse(let existing, sameBody: false)):
            throw .keyConflict(key: submission.idempotencyKey ?? "", existing: existing, differences: [])
        case .inserted(.tooLate), .inserted(.remoteIDInUse), .inserted(.joined):
            throw .store(.failed("a new task was not inserted"))
        }
    }

    private func task(for submission: GatewaySubmission, at now: Timestamp) throws(TaskServiceError) -> NewTask {
        let new = try newTasks.task(
            for: Submission(
                endpoint: submission.endpoint.text, request: submission.request,
                labels: ["program": submission.program]), at: now)
        var task = new.task
        if let name = catalog.endpoint(task.endpoint)?.dialect.gateway.callbackParameter {
            let names = submission.message.query.split(separator: "&").map { $0.prefix { $0 != "=" } }
            if names.contains(where: { $0 == name }) { task.hasOwnCallback = true }
        }
        return NewTask(
            task: task, payload: new.payload,
            idempotencyKey: submission.idempotencyKey.map {
                // A key is the program's own, so two programs may use the same one.
                NewTask.IdempotencyKey(
                    key: "gateway/\(submission.program)/\($0)", fingerprint: submission.contentKey)
            })
    }

    private func arrival(of submission: GatewaySubmission) -> PassedSubmission.Arrival {
        PassedSubmission.Arrival(
            contentKey: submission.contentKey, mark: Int64(bitPattern: random.draw { $0.next() }),
            isCountedRetry: submission.isCountedRetry, mayJoin: submission.mayJoin, rule: submission.rule)
    }

    /// Takes what became of the reply to a submission. A retry that arrives later sees it.
    package func report(_ fate: Exchange.Fate, of exchange: OpenExchange) {
        fates.add(exchange.fate(fate, at: time.now()))
    }

    // MARK: Waiting

    /// A task after a wait.
    package enum Waited: Sendable {
        case task(TaskWithPayload)
        /// It may have been accepted, and nothing more was found out in time.
        case uncertain(TaskWithPayload)
        /// The daemon stops, or the program has gone.
        case interrupted
    }

    /// The task once the provider has accepted it or it has ended, or its state when the time is over.
    package func acceptance(of id: TaskID, within patience: Duration) async throws(TaskServiceError) -> Waited {
        let until = time.now() + patience
        return try await wait(for: id) { task, now in
            task.state == .running || task.state.hasEnded || now >= until ? nil : until
        }
    }

    /// The task once it has ended; `limit` ends the wait in any state. One that is uncertain until `patience` is over, or for
    /// longer than 25 seconds if there is no `patience`, is reported so.
    package func outcome(
        of id: TaskID, limit: Duration?, patience: Duration?
    ) async throws(TaskServiceError) -> Waited {
        let start = time.now()
        var uncertainSince: Timestamp?
        let waited = try await wait(for: id) { task, now in
            if task.state.hasEnded { return nil }
            uncertainSince = task.state == .uncertain ? uncertainSince ?? now : nil
            let end = limit.map { start + $0 }
            let doubt = uncertainSince.map { since in patience.map { start + $0 } ?? since + .seconds(25) }
            let next = [end, doubt].compactMap(\.self).min()
            return next.map { now >= $0 } ?? false ? nil : next ?? now + .seconds(60)
        }
        guard case .task(let stored) = waited, stored.task.state == .uncertain else { return waited }
        return .uncertain(stored)
    }

    /// Looks at the task at every change until `next` returns nil; otherwise it says when to look again at the latest.
    private func wait(
        for id: TaskID, _ next: (TrackedTask, Timestamp) -> Timestamp?
    ) async throws(TaskServiceError) -> Waited {
        let place = feed.subscribe(to: id)
        let closing = feed.subscribeToClosing()
        defer {
            if let place { feed.end(place) }
            feed.end(closing)
        }
        while true {
            let stored = try await service.task(id)
            let now = time.now()
            guard let again = next(stored.task, now) else { return .task(stored) }
            if feed.isClosing || Task.isCancelled { return .interrupted }
            if let place {
                await place.wake.wait(until: again, on: time)
            } else {
                // As many clients wait as may be woken, so this one looks by itself.
                await closing.wake.wait(until: min(again, now + .seconds(1)), on: time)
            }
        }
    }
}

extension PassedSubmission.Arrival {
    fileprivate var exchange: OpenExchange { OpenExchange(mark: mark, contentKey: contentKey) }
}

extension OpenExchange {
    fileprivate func fate(_ fate: Exchange.Fate, at now: Timestamp) -> ExchangeFate {
        ExchangeFate(mark: mark, contentKey: contentKey, fate: fate, at: now)
    }
}
