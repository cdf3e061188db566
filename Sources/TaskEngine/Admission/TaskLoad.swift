import TaskModel

/// The number of queued and in-flight tasks. It is read once per claim, and the claim updates it.
struct TaskLoad: Sendable {
    /// Endpoints with queued tasks, by name.
    private(set) var queued: [EndpointName] = []
    /// Paid requests in flight, over all endpoints.
    private(set) var submitting = 0
    private var submittingOf: [AccountService: Int] = [:]
    private var inFlightOf: [AccountService: Int] = [:]
    private var resubmissions: [AccountService: TaskID]

    /// Sums the counts of the store.
    ///
    /// `resubmissions` must be read first. A resubmission that starts between the two reads is then in at least one of
    /// them.
    init(_ counts: [TaskCount], resubmissions: [AccountService: TaskID]) {
        self.resubmissions = resubmissions
        for count in counts where count.count > 0 {
            let service = AccountService(count.endpoint.service, of: count.account)
            switch count.state {
            case .queued: queued.append(count.endpoint)
            case .submitting:
                submitting += count.count
                submittingOf[service, default: 0] += count.count
                inFlightOf[service, default: 0] += count.count
            case .running: inFlightOf[service, default: 0] += count.count
            case .uncertain, .succeeded, .failed, .cancelled, .expired: break
            }
        }
        queued.sort()
    }

    /// The number of submitting and running tasks of the service.
    func inFlight(of service: AccountService) -> Int { inFlightOf[service] ?? 0 }

    /// The number of places of the account's tasks and resubmissions in these services.
    func places(of account: AccountName, in services: Set<ServiceName>) -> Int {
        services.reduce(0) { sum, service in
            let service = AccountService(service, of: account)
            return sum + inFlight(of: service) + (resubmissions[service] == nil ? 0 : 1)
        }
    }

    /// The tasks of the service whose earlier attempts are being looked up. Each holds a place like a task in flight.
    func resubmissions(of service: ServiceName) -> Set<TaskID> {
        Set(resubmissions.filter { $0.key.service == service }.values)
    }

    /// Whether a paid request of the service is in flight, or about to be.
    func isSending(_ service: AccountService) -> Bool {
        (submittingOf[service] ?? 0) > 0 || resubmissions[service] != nil
    }

    /// How many more paid requests may be sent over all endpoints.
    func room(upTo limit: Int) -> Int { limit - submitting - resubmissions.count }

    /// How many more tasks of the service may be sent.
    func room(of service: AccountService, upTo limit: Int) -> Int {
        limit - inFlight(of: service) - (resubmissions[service] == nil ? 0 : 1)
    }

    /// Records that a task of the service is being sent.
    mutating func noteSubmission(of service: AccountService) {
        submitting += 1
        submittingOf[service, default: 0] += 1
        inFlightOf[service, default: 0] += 1
    }

    /// Records that the earlier attempts of a task are being looked up.
    mutating func noteResubmission(of task: TaskID, service: AccountService) { resubmissions[service] = task }
}
