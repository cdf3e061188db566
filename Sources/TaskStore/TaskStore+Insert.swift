import TaskModel
import VerbatimJSON

extension TaskStore {
    /// Stores a new task with its first event, or returns the task of its idempotency key.
    package func insert(_ submission: NewTask) async throws(TaskStoreError) -> InsertResult {
        guard let insertion = try await insert([submission]).first else {
            throw .failed("an insertion has no answer")
        }
        return insertion
    }

    /// Stores several tasks in one transaction, in order, as if one came after another.
    package func insert(_ submissions: [NewTask]) async throws(TaskStoreError) -> [InsertResult] {
        guard !submissions.isEmpty else { return [] }
        // Documents are serialised here, off the writer's thread, which all writes share.
        let prepared = submissions.map(PreparedTask.init)
        return try await commit(.insert(submissions.map(\.task.id))) { changes in
            try Self.insert(prepared, in: &changes)
        }
    }

    static func insert(_ tasks: [PreparedTask], in changes: inout ChangeSet) throws -> [InsertResult] {
        var keys = try knownKeys(of: tasks, in: changes.transaction)
        var newTasks: [PreparedTask] = []
        /// Inserts the new tasks collected so far, with their keys.
        func flush() throws {
            let places = try changes.transaction.insert(newTasks.map(\.row))
            var newKeys: [NewKey] = []
            for (new, place) in zip(newTasks, places) {
                if let contentKey = new.contentKey {
                    try changes.transaction.insertJoinable(contentKey, of: place)
                }
                let task = new.row.task
                changes.count(from: nil, to: task)
                changes.append(task.firstEntry, of: place, about: task)
                if let key = new.key {
                    newKeys.append(NewKey(task: place, key: key.key, fingerprint: key.fingerprint))
                }
            }
            if !newKeys.isEmpty { try changes.transaction.insert(newKeys) }
            newTasks = []
        }
        var insertions: [InsertResult] = []
        for prepared in tasks {
            let task = prepared.row.task
            if let key = prepared.key, let known = keys[key.key] {
                insertions.append(
                    .keyInUse(by: known.task, sameBody: known.fingerprint == key.fingerprint))
                continue
            }
            if let contentKey = prepared.contentKey {
                try flush()
                // A key names its task itself.
                if let joined = try changes.join(contentKey, of: task, mayJoin: prepared.key == nil) {
                    insertions.append(.joined(joined))
                    continue
                }
            }
            if let deadline = task.deadline, deadline <= task.createdAt {
                insertions.append(.tooLate)
                continue
            }
            if let remoteID = task.remoteID {
                try flush()
                if let owner = try changes.owner(of: remoteID, service: task.endpoint.service) {
                    insertions.append(.remoteIDInUse(by: owner))
                    continue
                }
            }
            if let shortage = try changes.refusal(of: prepared.charge, for: task) {
                insertions.append(.overBudget(shortage))
                continue
            }
            newTasks.append(prepared)
            if let key = prepared.key { keys[key.key] = key }
            insertions.append(.created)
        }
        if !newTasks.isEmpty { try flush() }
        return insertions
    }

    private static func knownKeys(
        of tasks: [PreparedTask], in transaction: any StoreTransaction
    ) throws -> [String: KeyRow] {
        let keys = tasks.compactMap(\.key?.key)
        guard !keys.isEmpty else { return [:] }
        return Dictionary(try transaction.keys(keys).map { ($0.key, $0) }) { first, _ in first }
    }
}

/// A new task with serialised documents.
struct PreparedTask: Sendable {
    let row: NewTaskRow
    let key: KeyRow?
    let contentKey: [UInt8]?
    let charge: Charge?

    init(_ submission: NewTask) {
        let (task, payload) = (submission.task, submission.payload)
        row = NewTaskRow(
            task: task, request: payload.request.text, record: payload.response.map(RecordText.init))
        contentKey = submission.contentKey
        charge = submission.charge
        key = submission.idempotencyKey.map {
            KeyRow(key: $0.key, task: task.id, fingerprint: $0.fingerprint)
        }
    }
}

extension TrackedTask {
    /// The first line of its log.
    fileprivate var firstEntry: TaskLogEntry {
        var detail = JSONObject()
        detail["remote_id"] = remoteID.map { .string($0.text) }
        detail["retry_of"] = retryOf.map { .string($0.text) }
        return TaskLogEntry(
            at: createdAt, kind: remoteID == nil ? "created" : "tracked", from: nil, to: state, detail: detail)
    }
}
