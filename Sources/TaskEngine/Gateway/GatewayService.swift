import Logging
package import ProviderCatalog
package import TaskModel
package import TaskStore
import Text
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
    /// Whether callbacks that the program wants are delivered from here.
    package var deliversCallback = false
    package var rule = JoinRule()

    /// The address to which callbacks are delivered from here.
    package private(set) var callback: String?

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

    /// Takes the program's callback address out of the request, so that the provider does not get it.
    ///
    /// An address to which nothing may be delivered from here stays, and so does one in a body that is not JSON.
    package mutating func keepCallback(of dialect: any ProviderDialect) {
        if let name = dialect.callbackMember, message.body == nil, let own = request[name]?.string,
            TaskURLPolicy.loopback.refusal(of: own) == nil
        {
            callback = own
            request[name] = nil
        } else if let name = dialect.gateway.callbackParameter {
            let pairs = message.query.split(separator: "&")
            guard let pair = pairs.first(where: { $0.hasPrefix(name + "=") }),
                let own = String(pair.dropFirst(name.count + 1)).percentDecoded,
                TaskURLPolicy.loopback.refusal(of: own) == nil
            else { return }
            callback = own
            message.query = pairs.filter { $0 != pair }.joined(separator: "&")
        }
    }
}

/// The task of a submission.
package struct GatewayAdmission: Sendable {
    package let task: TaskID
    /// Whether an earlier request had submitted it.
    package let isJoined: Bool
    /// The exchange, whose fate the caller reports; nil if an idempotency key makes the submission repeatable.
    package let exchange: OpenExchange?
    fileprivate let permit: SendPermit

    /// Whether the reply may be sent. It may not if other processes could take this one for dead since the submission, because an
    /// equal request there may have got the task.
    package var mayAnswer: Bool {
        do throws(UpstreamTransportError) { try permit.check() } catch { return false }
        return true
    }
}

/// An exchange whose reply is not written yet.
package struct OpenExchange: Sendable, Hashable {
    let task: TaskID
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
    let renewals = RenewedRecords()
    let random: EngineRandom
    let wakes: WakeSignals
    let time: any TimeSource
    let logger: Logger

    /// How often a request that may be a retry looks whether it is one, and at most how many times: the clock may be set back,
    /// and each reply to an equal request meanwhile is waited for too.
    private static let undecidedLook = Duration.seconds(1)
    private static let mostUndecidedLooks = 60

    /// Stores a submission, or finds the task that it retries. Returns once that is on disk.
    package func submit(_ submission: GatewaySubmission) async throws(TaskServiceError) -> GatewayAdmission {
        let now = time.now()
        var submission = submission
        if submission.deliversCallback, let dialect = catalog.endpoint(submission.endpoint)?.dialect {
            submission.keepCallback(of: dialect)
        }
        let new = try task(for: submission, at: now)
        let arrival = submission.idempotencyKey == nil ? arrival(of: submission, at: now) : nil
        let permit = try await permit()
        let exchange = arrival.map { OpenExchange(task: new.task.id, mark: $0.mark, contentKey: $0.contentKey) }
        var passed = PassedSubmission(task: new, message: submission.message, arrival: arrival)
        var looks = 0
        while true {
            switch try await store(passed, exchange) {
            case .undecided(let until):
                // Whether it is a retry shows when the program of the earlier request asks about its task, or does not.
                await time.sleep(until: min(until, time.now() + Self.undecidedLook))
                if Task.isCancelled { throw .store(.failed("the daemon stops")) }
                looks += 1
                passed.arrival?.hasWaited = looks >= Self.mostUndecidedLooks
            case .joined(let task):
                let joined = exchange.map { OpenExchange(task: task, mark: $0.mark, contentKey: $0.contentKey) }
                if let joined { fates.watch(joined, at: time.now()) }
                return GatewayAdmission(task: task, isJoined: true, exchange: joined, permit: permit)
            case .inserted(.created):
                if let exchange { fates.watch(exchange, at: time.now()) }
                service.noteQueued(new.task)
                return GatewayAdmission(task: new.task.id, isJoined: false, exchange: exchange, permit: permit)
            case .inserted(.keyInUse(let existing, sameBody: true)):
                return GatewayAdmission(task: existing, isJoined: true, exchange: nil, permit: permit)
            case .inserted(.keyInUse(let existing, sameBody: false)):
                throw .keyConflict(key: submission.idempotencyKey ?? "", existing: existing, differences: [])
            case .inserted(.overBudget(let shortage)): throw .overBudget(shortage)
            case .inserted(.tooLate), .inserted(.remoteIDInUse), .inserted(.joined):
                throw .store(.failed("a new task was not inserted"))
            }
        }
    }

    private func store(
        _ submission: PassedSubmission, _ exchange: OpenExchange?
    ) async throws(TaskServiceError) -> PassedResult {
        let now = time.now()
        let unstored = fates.unstored
        do throws(TaskStoreError) {
            let result = try await store.submit(submission, after: unstored, at: now)
            fates.drop(unstored)
            return result
        } catch {
            // If it was stored after all, the next equal request is its retry.
            if case .unknown = error, let exchange { fates.add(.undelivered, of: exchange, at: now) }
            storage.noteFailedWrite(error)
            throw .store(error)
        }
    }

    /// The permit for the reply to a request that arrives now.
    private func permit() async throws(TaskServiceError) -> SendPermit {
        let lease = LeaseName(processOf: store.holder.token)
        do throws(TaskStoreError) {
            // At the start, another caller may be acquiring it.
            while let wait = try await admission.leases.acquire(lease, at: time.now()), !Task.isCancelled {
                await time.sleep(until: wait.until)
            }
        } catch {
            throw .store(error)
        }
        return admission.leases.permit(under: lease)
    }

    private func task(for submission: GatewaySubmission, at now: Timestamp) throws(TaskServiceError) -> NewTask {
        let new = try newTasks.task(
            for: Submission(
                endpoint: submission.endpoint.text, request: submission.request,
                labels: ["program": submission.program]), at: now)
        var task = new.task
        task.notify = submission.callback.map { Destination.callbackMark + $0 }
        if let name = catalog.endpoint(task.endpoint)?.dialect.gateway.callbackParameter {
            let names = submission.message.query.split(separator: "&").map { $0.prefix { $0 != "=" } }
            if names.contains(where: { $0 == name }) { task.hasOwnCallback = true }
        }
        var named = NewTask(
            task: task, payload: new.payload,
            idempotencyKey: submission.idempotencyKey.map {
                // A key is the program's own, so two programs may use the same one.
                NewTask.IdempotencyKey(
                    key: "gateway/\(submission.program)/\($0)", fingerprint: submission.contentKey)
            })
        named.charge = new.charge
        return named
    }

    private func arrival(of submission: GatewaySubmission, at now: Timestamp) -> PassedSubmission.Arrival {
        PassedSubmission.Arrival(
            contentKey: submission.contentKey, mark: store.mark(UInt32(truncatingIfNeeded: random.draw { $0.next() })),
            since: now,
            isCountedRetry: submission.isCountedRetry, mayJoin: submission.mayJoin, rule: submission.rule)
    }

    /// Takes what became of the reply to a submission. A retry that arrives later sees it.
    package func report(_ fate: Exchange.Fate, of exchange: OpenExchange) {
        fates.add(fate, of: exchange, at: time.now())
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
