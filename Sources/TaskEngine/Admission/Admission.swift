import ProviderCatalog
package import TaskModel
package import TaskStore

/// Whether a queued task may be sent now.
enum Admission: Sendable, Hashable {
    /// It may, and holds the memory for its reply.
    case granted(ReplyRoom)
    /// An earlier attempt may have been accepted: the provider is asked for it first.
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
    /// The database is an older copy, and no person has accepted that.
    case restored(RestoredMode)
    /// The daemon was started with `--hold`.
    case held
    /// It was queued at the start, and the provider's list has not been read yet.
    case startCheck(since: Timestamp)
    /// The database cannot be written, or is being checked.
    case storage(StorageCondition, until: Timestamp)
    /// Another process holds the lease of the provider's account.
    case leaseHeld(ProviderAccount, holder: String, until: Timestamp)
    case noToken(provider: ProviderName, variable: String)
    /// A person or a refusal of the whole account paused the circuit, with a code that says which.
    case paused(CircuitKey, code: String, message: String)
    /// The circuit is open after failures.
    case backingOff(CircuitKey, until: Timestamp, because: TaskFailure?)
    /// The most tasks of the service are in flight.
    case inFlightLimit(service: ServiceName, count: Int, limit: Int)
    /// The most tasks of the account are in flight.
    case accountLimit(ProviderAccount, count: Int, limit: Int)
    /// Only its turn: the pace of its service, the rate of its provider, memory, or another task.
    case turn(until: Timestamp? = nil)

    /// When to ask again; nil if only a change ends it.
    var until: Timestamp? {
        switch self {
        case .notBefore(let point), .storage(_, let point), .backingOff(_, let point, _), .leaseHeld(_, _, let point):
            point
        case .turn(let point): point
        case .deadlinePassed, .endpointGone, .restored, .held, .startCheck, .noToken, .paused, .inFlightLimit,
            .accountLimit:
            nil
        }
    }

    static let holdReason = Reason(
        code: "held", message: "The daemon was started with --hold, so nothing paid is sent.",
        hint: "`pollux resume --all` lets everything go on.")

    /// The same in words, for a task of that endpoint.
    func reason(of endpoint: EndpointName) -> Reason {
        switch self {
        case .notBefore(let point):
            Reason(code: "not_before", message: "It is not to be sent before \(point.rfc3339).")
        case .deadlinePassed(let deadline):
            Reason(
                code: "deadline",
                message: """
                    Its deadline \(deadline.rfc3339) seems to be over. That counts once the clock has gone on for a minute \
                    without a jump; until then the task is neither ended nor sent.
                    """)
        case .endpointGone(let endpoint):
            Reason(
                code: "endpoint_gone",
                message: "This version knows no endpoint \(endpoint). The task waits; nothing is lost.")
        case .restored(let mode):
            Reason(
                code: "restored",
                message: "\(mode.reason) Nothing paid is sent until a person accepts that.",
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
            Reason(code: "lease_held", message: "Another Pollux (\(holder)) sends the tasks of the \(account).")
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
                hint: "`pollux resume \(endpoint)` lets it go on.")
        case .backingOff(let circuit, let until, let error):
            Reason(
                code: "backing_off",
                message: "The \(circuit) is left alone until \(until.rfc3339)\(error.map { ": \($0.message)" } ?? ".")")
        case .inFlightLimit(let service, let count, let limit):
            Reason(
                code: "in_flight_limit",
                message: "\(count) tasks of \(service) are in flight, and \(limit) may be.")
        case .accountLimit(let account, let count, let limit):
            Reason(
                code: "in_flight_limit",
                message: "\(count) tasks of the \(account) are in flight, and \(limit) may be.")
        case .turn: Reason(code: "turn", message: "It is sent as soon as it is its turn.")
        }
    }
}
