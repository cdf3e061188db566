import TaskModel

/// How many tasks are queued and in flight, read once per claim and kept up to date by it.
struct TaskLoad: Sendable {
    /// Endpoints with queued tasks, by name.
    private(set) var queued: [EndpointName] = []
    /// Paid requests in flight, over all endpoints.
    private(set) var submitting = 0
    private var submittingOf: [ServiceName: Int] = [:]
    private var inFlightOf: [ServiceName: Int] = [:]
    private var resubmissions: [ServiceName: TaskID]

    /// Sums up the counts of the store.
    ///
    /// `resubmissions` must be read first: one that starts between the two reads is then in at least one of them.
    init(_ counts: [TaskCount], resubmissions: [ServiceName: TaskID]) {
        self.resubmissions = resubmissions
        for count in counts where count.count > 0 {
            let service = count.endpoint.service
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
    func inFlight(of service: ServiceName) -> Int { inFlightOf[service] ?? 0 }

    /// The task of the service whose earlier attempts are being looked for. It holds a place like a task in flight.
    func resubmission(of service: ServiceName) -> TaskID? { resubmissions[service] }

    /// Whether a paid request of the service is in flight, or about to be.
    func isSending(_ service: ServiceName) -> Bool { (submittingOf[service] ?? 0) > 0 || resubmissions[service] != nil }

    /// How many more paid requests may go out over all endpoints.
    func room(upTo limit: Int) -> Int { limit - submitting - resubmissions.count }

    /// How many more tasks of the service may go into flight.
    func room(of service: ServiceName, upTo limit: Int) -> Int {
        limit - inFlight(of: service) - (resubmissions[service] == nil ? 0 : 1)
    }

    /// A task of the service is being sent now.
    mutating func noteSubmission(of service: ServiceName) {
        submitting += 1
        submittingOf[service, default: 0] += 1
        inFlightOf[service, default: 0] += 1
    }

    /// The earlier attempts of a task are looked for now.
    mutating func noteResubmission(of task: TaskID, service: ServiceName) { resubmissions[service] = task }
}
