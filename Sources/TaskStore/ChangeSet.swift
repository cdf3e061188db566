import TaskModel

/// What one transaction changes, gathered so that each primitive is called with a list.
///
/// Rows that were changed are written before anything is read that could show them, and at the end.
struct ChangeSet {
    let transaction: any StoreTransaction
    /// Tasks as the transaction has left them so far, of those that it was asked about.
    private var rows: [TaskID: TaskRow] = [:]
    private var updates: [TaskUpdate] = []
    private var lines: [NewLogLine] = []
    /// What each of the lines tells of; nil where that is no task.
    private var told: [(entry: TaskLogEntry, task: TrackedTask)?] = []
    private var counts: [TaskCountDelta] = []
    /// What subscribers are told after the commit.
    private(set) var committed: [CommittedChange] = []

    init(_ transaction: any StoreTransaction) {
        self.transaction = transaction
    }

    /// Reads the rows of tasks that are to be changed.
    mutating func load(_ ids: [TaskID]) throws {
        for row in try transaction.tasks(ids) { rows[row.task.id] = row }
    }

    /// The task as it is in the transaction by now; nil where there is none, or where it was not loaded.
    func row(of id: TaskID) -> TaskRow? { rows[id] }

    /// The task becomes this. `before` is the row that the change starts from.
    mutating func change(_ before: TaskRow, to task: TrackedTask, record: RecordText? = nil) {
        rows[task.id] = TaskRow(key: before.key, task: task, recordDigest: record?.digest ?? before.recordDigest)
        guard let place = updates.lastIndex(where: { $0.before.key == before.key }) else {
            updates.append(TaskUpdate(before: before, task: task, record: record))
            return
        }
        updates[place].task = task
        updates[place].record = record ?? updates[place].record
    }

    /// The task is counted in another state from now on; from nil, it is new.
    mutating func count(_ endpoint: EndpointName, from old: TaskState?, to new: TaskState) {
        guard old != new else { return }
        if let old { counts.append(TaskCountDelta(endpoint: endpoint, state: old, change: -1)) }
        counts.append(TaskCountDelta(endpoint: endpoint, state: new, change: 1))
    }

    /// Appends a line about a task to the log.
    mutating func append(_ entry: TaskLogEntry, of key: Int64, about task: TrackedTask) {
        lines.append(
            NewLogLine(
                key: key, at: entry.at, kind: entry.kind, from: entry.from, to: entry.to, detail: entry.detail))
        told.append((entry, task))
    }

    /// Appends a line about no task to the log.
    mutating func append(_ event: DaemonEvent) {
        lines.append(
            NewLogLine(key: nil, at: event.at, kind: event.kind, from: nil, to: nil, detail: event.detail))
        told.append(nil)
    }

    /// Whether the log gets new lines.
    var isLogged: Bool { !lines.isEmpty }

    /// Writes the rows that have changed so far, so that the next read shows them.
    mutating func flush() throws {
        guard !updates.isEmpty else { return }
        try transaction.update(updates)
        updates = []
    }

    /// Writes everything; to be called once, at the end.
    mutating func finish() throws {
        try flush()
        if !counts.isEmpty { try transaction.add(counts) }
        guard !lines.isEmpty else { return }
        let places = try transaction.append(lines)
        committed = zip(told, places).compactMap { told, place in
            told.map { told in
                CommittedChange(
                    task: told.task, event: StoredEvent(sequence: place, task: told.task.id, entry: told.entry))
            }
        }
    }
}
