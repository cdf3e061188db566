import TaskModel
import VerbatimJSON

/// Collects the changes of one transaction, so that each primitive gets a list.
///
/// Changed rows are written at the end, and before any read that depends on them.
struct ChangeSet {
    let transaction: any StoreTransaction
    /// The holder of the leases for claims.
    let holder: LeaseHolder
    /// How long its leases last; nil if they do not expire.
    let leaseTerm: Duration?
    /// The journal of this machine, if the store is shared.
    let journal: JournalKeeper?
    /// Through what a person makes the changes; nil if nobody does.
    private let source: String?
    /// The loaded tasks in their current state within the transaction.
    private var rows: [TaskID: TaskRow] = [:]
    private var updates: [TaskUpdate] = []
    private var lines: [NewLogLine] = []
    /// The task of each line; nil for lines about the daemon.
    private var told: [(entry: TaskLogEntry, task: TrackedTask)?] = []
    private var counts: [TaskCountDelta] = []
    private var results: [TaskResults] = []
    /// What the ledger's new lines add to the cost of each task.
    private var spent: [TaskID: [Amount]] = [:]
    /// The changes for subscribers, to be delivered after the commit.
    private(set) var committed: [CommittedChange] = []

    init(
        _ transaction: any StoreTransaction, holder: LeaseHolder, leaseTerm: Duration?, journal: JournalKeeper? = nil,
        source: String? = nil
    ) {
        self.journal = journal
        self.transaction = transaction
        self.holder = holder
        self.leaseTerm = leaseTerm
        self.source = source
    }

    /// Loads the rows of the tasks to change.
    mutating func load(_ ids: [TaskID]) throws {
        for row in try transaction.tasks(ids) { rows[row.task.id] = row }
    }

    /// The task in its current state within the transaction; nil if it does not exist or is not loaded.
    func row(of id: TaskID) -> TaskRow? { rows[id] }

    /// Replaces the task. `before` is the row before the change.
    mutating func change(_ before: TaskRow, to task: TrackedTask, record: RecordText? = nil) {
        rows[task.id] = TaskRow(
            key: before.key, task: task,
            recordDigest: TaskUpdate(before: before, task: task, record: record).recordDigest)
        guard let place = updates.lastIndex(where: { $0.before.key == before.key }) else {
            updates.append(TaskUpdate(before: before, task: task, record: record))
            return
        }
        updates[place].task = task
        updates[place].record = record ?? updates[place].record
    }

    /// Moves the task to another state or account in the counts; `old` is nil for a new task.
    mutating func count(from old: TrackedTask?, to new: TrackedTask) {
        guard old?.state != new.state || old?.countedAccount != new.countedAccount else { return }
        if let old { counts.append(TaskCountDelta(of: old, change: -1)) }
        counts.append(TaskCountDelta(of: new, change: 1))
    }

    /// Keeps the results of a task that the change makes succeed.
    mutating func keep(_ rows: [ResultRow], of key: Int64, leadingTo change: TaskChange) {
        guard change.transition == .advance(to: .succeeded), !rows.isEmpty else { return }
        results.append(TaskResults(key: key, rows: rows))
    }

    /// Tells subscribers with the task's next line of the log what it has cost.
    mutating func tell(spent amount: Amount, of task: TaskID) { spent[task, default: []].append(amount) }

    /// Appends a line about a task to the log.
    mutating func append(_ entry: TaskLogEntry, of key: Int64, about task: TrackedTask) {
        let entry = entry.by(source)
        lines.append(
            NewLogLine(
                key: key, at: entry.at, kind: entry.kind, from: entry.from, to: entry.to, detail: entry.detail))
        told.append((entry, task))
    }

    /// Appends a line about the daemon to the log.
    mutating func append(_ event: DaemonEvent) {
        lines.append(
            NewLogLine(key: nil, at: event.at, kind: event.kind, from: nil, to: nil, detail: event.detail.by(source)))
        told.append(nil)
    }

    /// The places of the lines in the log; empty before ``finish()``.
    private(set) var places: [Int64] = []

    /// Writes the rows that have changed so far, so that the next read shows them.
    mutating func flush() throws {
        guard !updates.isEmpty else { return }
        try transaction.update(updates)
        updates = []
    }

    /// Writes everything. Call it once, at the end.
    mutating func finish() throws {
        try flush()
        if !counts.isEmpty { try transaction.add(counts) }
        if !results.isEmpty { try transaction.put(results) }
        guard !lines.isEmpty else { return }
        places = try transaction.append(lines)
        committed = zip(told, places).compactMap { told, place in
            told.map { told in
                CommittedChange(
                    task: told.task, event: StoredEvent(sequence: place, task: told.task.id, entry: told.entry),
                    spent: spent.removeValue(forKey: told.task.id) ?? [])
            }
        }
    }
}

extension TrackedTask {
    /// The account that the task counts for.
    fileprivate var countedAccount: AccountName {
        switch state {
        case .submitting, .running, .uncertain: account
        case .queued, .succeeded, .failed, .cancelled, .expired: .default
        }
    }
}

extension TaskCountDelta {
    fileprivate init(of task: TrackedTask, change: Int) {
        self.init(endpoint: task.endpoint, state: task.state, account: task.countedAccount, change: change)
    }
}

extension TaskLogEntry {
    /// The entry with the source of the action; the same without one.
    fileprivate func by(_ source: String?) -> TaskLogEntry {
        guard source != nil else { return self }
        return TaskLogEntry(at: at, kind: kind, from: from, to: to, detail: detail.by(source))
    }
}

extension JSONObject {
    /// The details with the source of the action.
    fileprivate func by(_ source: String?) -> JSONObject {
        guard let source else { return self }
        var detail = self
        detail["by"] = .string(source)
        return detail
    }
}
