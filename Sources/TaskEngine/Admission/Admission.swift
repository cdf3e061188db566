import ProviderCatalog
package import TaskModel
package import TaskStore

/// Whether a queued task may be sent now.
enum Admission: Sendable, Hashable {
    /// It may be sent, and holds the memory for its reply.
    case granted(ReplyRoom)
    /// An earlier attempt may have been accepted, so the provider is searched for it first.
    case afterLookup
    case blocked(SubmissionBlock)
}

/// The first reason that blocks a submission.
package enum SubmissionBlock: Sendable, Hashable {
    case notBefore(Timestamp)
    /// Its deadline seems to have passed.
    case deadlinePassed(Timestamp)
    /// The catalog does not know its endpoint.
    case endpointGone(EndpointName)
    /// The database is an older copy that no person has accepted.
    case restored(RestoredMode)
    /// The daemon was started with `--hold`.
    case held
    /// It was queued at the start, and the provider's list was not read yet.
    case startCheck(since: Timestamp)
    /// The database cannot be written, or is being checked.
    case storage(StorageCondition, until: Timestamp)
    /// Another process holds the lease of the provider's account; nil if it is ours and has to be renewed.
    case leaseHeld(ProviderAccount, holder: String?, until: Timestamp)
    case noToken(provider: ProviderName, variable: String)
    /// The circuit is paused by a person, or because the provider refused the whole account; the code tells which.
    case paused(CircuitKey, code: String, message: String)
    /// The circuit is open after failures.
    case backingOff(CircuitKey, until: Timestamp, because: TaskFailure?)
    /// The service has its maximum number of tasks in flight.
    case inFlightLimit(service: ServiceName, count: Int, limit: Int)
    /// The account has its maximum number of tasks in flight.
    case accountLimit(ProviderAccount, count: Int, limit: Int)
    /// A budget has no room for it.
    case budget(BudgetShortage)
    /// It waits for its turn only: the pace of its service, the rate of its provider, memory, or another task.
    case turn(until: Timestamp? = nil)

    /// When to check again; nil if only a change ends the block.
    var until: Timestamp? {
        switch self {
        case .notBefore(let point), .storage(_, let point), .backingOff(_, let point, _), .leaseHeld(_, _, let point):
            point
        case .turn(let point): point
        case .budget(let shortage): shortage.until
        case .deadlinePassed, .endpointGone, .restored, .held, .startCheck, .noToken, .paused, .inFlightLimit,
            .accountLimit:
            nil
        }
    }

    static let holdReason = Reason(
        code: "held", message: "The daemon was started with --hold, so nothing paid is sent.",
        hint: "`pollux resume --all` resumes everything.")

    /// The reason for a task of that endpoint, as text.
    func reason(of endpoint: EndpointName) -> Reason {
        switch self {
        case .notBefore(let point):
            Reason(code: "not_before", message: "It must not be sent before \(point.rfc3339).")
        case .deadlinePassed(let deadline):
            Reason(
                code: "deadline",
                message: """
                    Its deadline \(deadline.rfc3339) seems to have passed. The task ends once the clock has run for a minute \
                    without a jump. Until then it is not sent.
                    """)
        case .endpointGone(let endpoint):
            Reason(
                code: "endpoint_gone",
                message: "This version knows no endpoint \(endpoint). The task waits; nothing is lost.")
        case .restored(let mode):
            Reason(
                code: "restored",
                message: mode.journals == nil
                    ? "\(mode.reason) Nothing paid is sent until a person accepts it."
                    : "\(mode.reason) \(mode.explanation)",
                hint: "`pollux restore` shows what may have been sent already.")
        case .held: Self.holdReason
        case .startCheck(let since):
            Reason(
                code: "start_check",
                message: """
                    It was queued when the daemon started. First the provider's list is read, in case the task has been sent \
                    since \(since.rfc3339).
                    """)
        case .storage(.failed(let error), _): Reason(code: error.code, message: error.message)
        case .storage:
            Reason(
                code: "storage_check",
                message: "The database is being checked, which takes some minutes at most. Then the task is sent.")
        case .leaseHeld(let account, let holder, _):
            Reason(
                code: "lease_held",
                message: holder.map { "Another Pollux (\($0)) sends the tasks of the \(account)." }
                    ?? "The lease of the \(account) could not be renewed in time. The database answers slowly or not at all."
            )
        case .noToken(let provider, let variable):
            Reason(
                code: "no_token", message: "There is no token for \(provider).",
                hint: """
                    Set \(variable) or \(variable)_FILE and start the daemon again, or name a token file in its settings and \
                    run `pollux reload`.
                    """)
        case .paused(let circuit, let code, let message):
            Reason(
                code: code, message: "The \(circuit) is paused: \(message)",
                hint: "`pollux resume \(endpoint)` resumes it.")
        case .backingOff(let circuit, let until, let error):
            Reason(
                code: "backing_off",
                message:
                    "The \(circuit) gets no requests until \(until.rfc3339)\(error.map { ": \($0.message)" } ?? ".")")
        case .inFlightLimit(let service, let count, let limit):
            Reason(
                code: "in_flight_limit",
                message: "\(count) tasks of \(service) are in flight, and the limit is \(limit).")
        case .accountLimit(let account, let count, let limit):
            Reason(
                code: "in_flight_limit",
                message: "\(count) tasks of the \(account) are in flight, and the limit is \(limit).")
        case .budget(let shortage):
            Reason(
                code: "budget", message: shortage.message,
                hint:
                    "It is sent once the budget has room. `pollux budget set` raises the limit, and `pollux approve` lets this task pass.",
                budget: shortage)
        case .turn: Reason(code: "turn", message: "It is sent when its turn comes.")
        }
    }
}
