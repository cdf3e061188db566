package import TaskModel
package import TaskStore

/// Why a wish of a program or person was not granted; nothing was changed, except perhaps where the store says that its
/// outcome is unknown.
package enum TaskServiceError: UserFacingError {
    /// No such endpoint; the nearest known ones.
    case unknownEndpoint(String, nearest: [EndpointName])
    /// The provider answers it with the result itself and keeps no record of it.
    case synchronousEndpoint(EndpointName)
    /// No task has this id, or one that begins so.
    case taskNotFound(String)
    /// Several ids begin so; some of them.
    case ambiguousID(String, candidates: [TaskID])
    /// A field has a value that makes no sense.
    case invalidField(String, problem: String)
    /// The key names a task that was submitted with another body.
    case keyConflict(key: String, existing: TaskID, differences: [SubmissionDifference])
    /// The state does not allow it.
    case refused(LifecycleRefusal, TrackedTask)
    /// The store could not do as told.
    case store(TaskStoreError)

    /// What sort of answer it deserves, for whoever translates it into a status.
    package enum Category: Sendable {
        /// The wish itself makes no sense.
        case invalid
        /// What it is about does not exist.
        case notFound
        /// It does not fit with what there is.
        case conflict
        /// Right, but not now: the disk is full or read-only.
        case unavailable
        /// Right, but not now: the storage is busy, gone or failing. Where it failed half-way, it may be done all the same.
        case storageFailing
        /// A bug of ours, or a damaged store.
        case broken
    }

    package var category: Category {
        switch self {
        case .unknownEndpoint, .synchronousEndpoint, .invalidField: .invalid
        case .taskNotFound: .notFound
        case .ambiguousID, .keyConflict, .refused, .store(.remoteIDInUse): .conflict
        case .store(.full), .store(.readOnly): .unavailable
        case .store(.locked), .store(.leaseHeld), .store(.unknown), .store(.unsettled), .store(.replaced):
            .storageFailing
        case .store(.damaged), .store(.newer), .store(.failed), .store(.missing), .store(.mismatched): .broken
        }
    }

    /// The task that is in the way, where one is.
    package var existingTask: TaskID? {
        switch self {
        case .keyConflict(_, let existing, _): existing
        case .store(.remoteIDInUse(let owner)): owner
        case .refused(_, let task): task.id
        case .unknownEndpoint, .synchronousEndpoint, .taskNotFound, .ambiguousID, .invalidField, .store: nil
        }
    }

    package var code: String {
        switch self {
        case .unknownEndpoint: "unknown_endpoint"
        case .synchronousEndpoint: "synchronous_endpoint"
        case .taskNotFound: "task_not_found"
        case .ambiguousID: "ambiguous_id"
        case .invalidField: "invalid_field"
        case .keyConflict: "idempotency_key_reused"
        case .refused(let refusal, _): refusal.code
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
            If that reply were lost, it could not be found again, so there is nothing here that could be tracked. Call \
            the provider directly.
            """
        case .taskNotFound(let id):
            "There is no task \"\(id)\". `pollux list` shows the latest ones."
        case .ambiguousID(let prefix, let candidates):
            "Several tasks have ids that begin with \"\(prefix)\": \(candidates.map(\.text).joined(separator: ", ")). Give more of it."
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
