import TaskModel

/// How many tasks are queued and in flight, read once per claim and kept up to date by it.
struct TaskLoad: Sendable {
    /// Endpoints with queued tasks, by name.
    private(set) var queued: [EndpointName] = []
    /// Paid requests in flight, over all endpoints.
    private(set) var submitting = 0
    private var submittingOf: [AccountService: Int] = [:]
    private var inFlightOf: [AccountService: Int] = [:]
    private var resubmissions: [AccountService: TaskID]

    /// Sums up the counts of the store.
    ///
    /// `resubmissions` must be read first: one that starts between the two reads is then in at least one of them.
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

    /// Submitting and running tasks of the service.
    func inFlight(of service: AccountService) -> Int { inFlightOf[service] ?? 0 }

    /// How many places the account's tasks and resubmissions hold in these services.
    func places(of account: AccountName, in services: Set<ServiceName>) -> Int {
        services.reduce(0) { sum, service in
            let service = AccountService(service, of: account)
            return sum + inFlight(of: service) + (resubmissions[service] == nil ? 0 : 1)
        }
    }

    /// The tasks of the service whose earlier attempts are being looked for. Each holds a place like a task in flight.
    func resubmissions(of service: ServiceName) -> Set<TaskID> {
        Set(resubmissions.filter { $0.key.service == service }.values)
    }

    /// Whether a paid request of the service is in flight, or about to be.
    func isSending(_ service: AccountService) -> Bool {
        (submittingOf[service] ?? 0) > 0 || resubmissions[service] != nil
    }

    /// How many more paid requests may go out over all endpoints.
    func room(upTo limit: Int) -> Int { limit - submitting - resubmissions.count }

    /// How many more tasks of the service may go into flight.
    func room(of service: AccountService, upTo limit: Int) -> Int {
        limit - inFlight(of: service) - (resubmissions[service] == nil ? 0 : 1)
    }

    /// A task of the service is being sent now.
    mutating func noteSubmission(of service: AccountService) {
        submitting += 1
        submittingOf[service, default: 0] += 1
        inFlightOf[service, default: 0] += 1
    }

    /// The earlier attempts of a task are looked for now.
    mutating func noteResubmission(of task: TaskID, service: AccountService) { resubmissions[service] = task }
}
