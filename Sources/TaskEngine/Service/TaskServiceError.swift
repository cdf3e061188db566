package import TaskModel
package import TaskStore

/// Why a request was rejected. Nothing was changed, unless the store reports an unknown outcome.
package indirect enum TaskServiceError: UserFacingError {
    /// The endpoint is unknown. `nearest` are similar names.
    case unknownEndpoint(String, nearest: [EndpointName])
    /// The reply of the endpoint is the result itself, and the provider keeps no record.
    case synchronousEndpoint(EndpointName)
    /// No task has this id or prefix.
    case taskNotFound(String)
    /// No destination of notifications has this name.
    case unknownDestination(String, nearest: String?)
    /// Several ids have this prefix. `candidates` are some of them.
    case ambiguousID(String, candidates: [TaskID])
    /// No result that is on disk has this digest.
    case artefactNotFound(String)
    /// The directory of files cannot be used at the moment. The text is whole sentences.
    case artefactsUnavailable(String)
    /// The task has no result with a URL that could be fetched.
    case nothingToFetch(TaskID)
    /// A field has an invalid value.
    case invalidField(String, problem: String)
    /// The idempotency key belongs to a task with another body.
    case keyConflict(key: String, existing: TaskID, differences: [SubmissionDifference])
    /// The state of the task does not allow the request.
    case refused(LifecycleRefusal, TrackedTask)
    /// No backup was written.
    case backup(BackupError)
    /// These processes have not compared their journals with the database.
    case journalsAwaited(String)
    /// A budget that refuses tasks has no room for it.
    case overBudget(BudgetShortage)
    /// No budget has this name.
    case unknownBudget(String, nearest: String?)
    /// The store failed.
    case store(TaskStoreError)

    /// The kind of the error, which decides the HTTP status.
    package enum Category: Sendable {
        /// The request is invalid.
        case invalid
        /// It costs more than a budget allows.
        case overBudget
        /// The task or endpoint does not exist.
        case notFound
        /// The request conflicts with an existing task or its state.
        case conflict
        /// The disk is full or read-only.
        case unavailable
        /// The storage is busy, missing or failing. The change may be stored nevertheless.
        case storageFailing
        /// A bug, or a damaged store.
        case broken
    }

    package var category: Category {
        switch self {
        case .unknownEndpoint, .synchronousEndpoint, .invalidField, .backup(.unusableDirectory): .invalid
        case .overBudget: .overBudget
        case .taskNotFound, .artefactNotFound, .unknownDestination, .unknownBudget: .notFound
        case .ambiguousID, .keyConflict, .refused, .nothingToFetch, .store(.remoteIDInUse), .backup(.exists),
            .backup(.running), .journalsAwaited:
            .conflict
        case .store(.full), .store(.readOnly), .backup(.noSpace): .unavailable
        case .backup(.interrupted), .backup(.partUnreadable), .artefactsUnavailable: .storageFailing
        case .backup(.failed), .backup(.store): .broken
        case .store(.locked), .store(.unreachable), .store(.leaseHeld), .store(.restored), .store(.unknown),
            .store(.unsettled),
            .store(.replaced), .store(.partUnreadable):
            .storageFailing
        case .store(.damaged), .store(.newer), .store(.failed), .store(.missing), .store(.mismatched): .broken
        }
    }

    /// The same error for a read that follows a commit. It must not say that nothing was stored, or clients repeat the action.
    var afterCommit: TaskServiceError { if case .store = self { .store(.unknown) } else { self } }

    /// The existing task that conflicts; nil if none does.
    package var existingTask: TaskID? {
        switch self {
        case .keyConflict(_, let existing, _): existing
        case .store(.remoteIDInUse(let owner)): owner
        case .refused(_, let task): task.id
        case .unknownEndpoint, .synchronousEndpoint, .taskNotFound, .ambiguousID, .invalidField, .backup, .store,
            .artefactNotFound, .artefactsUnavailable, .nothingToFetch, .unknownDestination, .overBudget, .unknownBudget,
            .journalsAwaited:
            nil
        }
    }

    package var code: String {
        switch self {
        case .unknownEndpoint: "unknown_endpoint"
        case .synchronousEndpoint: "synchronous_endpoint"
        case .taskNotFound: "task_not_found"
        case .unknownDestination: "unknown_destination"
        case .overBudget: "over_budget"
        case .unknownBudget: "unknown_budget"
        case .journalsAwaited: "journals_awaited"
        case .ambiguousID: "ambiguous_id"
        case .artefactNotFound: "artefact_not_found"
        case .artefactsUnavailable: "artefacts_unavailable"
        case .nothingToFetch: "nothing_to_fetch"
        case .invalidField: "invalid_field"
        case .keyConflict: "idempotency_key_reused"
        case .refused(let refusal, _): refusal.code
        case .backup(let error): error.code
        case .store(let error): error.code
        }
    }

    package var message: String {
        switch self {
        case .unknownEndpoint(let name, let nearest):
            nearest.isEmpty
                ? "There is no endpoint \"\(name)\". `pollux endpoints` lists all."
                : "There is no endpoint \"\(name)\". Did you mean \(nearest.map(\.text).joined(separator: ", "))? `pollux endpoints` lists all."
        case .synchronousEndpoint(let name):
            """
            \(name) only answers synchronously: the reply is the result, and the provider keeps no record of the task. \
            If that reply were lost, it could not be found again, so there is nothing to track. Call \
            the provider directly.
            """
        case .taskNotFound(let id):
            "There is no task \"\(id)\". `pollux list` shows the latest ones."
        case .unknownDestination(let name, let nearest):
            "There is no destination \"\(name)\".\(nearest.map { " Did you mean \"\($0)\"?" } ?? "") `pollux notifications list` shows all."
        case .overBudget(let shortage):
            "\(shortage.message) Nothing was stored. `pollux budget set` raises the limit\(shortage.until.map { "; it applies anew from \($0.rfc3339)" } ?? "")."
        case .unknownBudget(let name, let nearest):
            "The settings have no budget \"\(name)\".\(nearest.map { " Did you mean \"\($0)\"?" } ?? "") `pollux budget list` shows all."
        case .journalsAwaited(let names):
            "These processes have not compared their journals of attempts with the database, so it is not known what they have sent: \(names). Start a daemon on each of their machines, or give up the journals of those that cannot come back with `pollux restore --without MACHINE`."
        case .ambiguousID(let prefix, let candidates):
            "Several tasks have ids that begin with \"\(prefix)\": \(candidates.map(\.text).joined(separator: ", ")). Give more characters."
        case .artefactNotFound(let digest):
            "No result that is on disk has the SHA-256 \"\(digest)\". `pollux show` names those of a task."
        case .artefactsUnavailable(let what):
            what
        case .nothingToFetch(let id):
            "Task \(id) has no result whose file could be fetched. Only tasks that have succeeded have results."
        case .invalidField(let field, let problem):
            "\(field): \(problem)"
        case .keyConflict(let key, let existing, let differences):
            """
            The idempotency key "\(key)" already names task \(existing), which was submitted differently: \
            \(Self.words(differences)). Nothing was stored. Use a new key for a new task, or repeat the first one \
            unchanged to get task \(existing).
            """
        case .refused(let refusal, let task):
            "\(refusal.message) Task \(task.id) is \(task.state)."
        case .backup(let error):
            error.message
        case .store(let error):
            error.message
        }
    }

    private static func words(_ differences: [SubmissionDifference]) -> String {
        let most = 5
        let rest = differences.count > most ? "; and \(differences.count - most) more" : ""
        return differences.prefix(most).map(\.words).joined(separator: "; ") + rest
    }
}
