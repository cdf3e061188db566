package import TaskModel

/// Removes the details of ended tasks.
///
/// What stays is the task's row with its labels, the attempts that own a remote id, and for a while its idempotency key: all
/// that keeps a request from being paid for a second time.
extension TaskStore {
    /// Goes on with a sweep by one small commit, and returns how far it got. A dry run only counts.
    package func advance(
        _ sweep: RetentionSweep, isDryRun: Bool = false, at now: Timestamp
    ) async throws(TaskStoreError) -> RetentionSweep {
        guard !sweep.isOver else { return sweep }
        if isDryRun {
            // Nothing is written, so the batch need not be small.
            return try await read("countDetails", .page) { rows in
                try sweep.next(in: rows, limit: 1_000) { _ in }
            }
        }
        return try await commit(.write("sweep")) { changes in
            // Reads and removal are in one transaction: a task that is pinned or reopened meanwhile is seen as it is.
            let transaction = changes.transaction
            return try sweep.next(in: transaction, limit: RetentionSweep.batchSize) { removal in
                switch removal {
                case .details(let parts, let rows): try changes.remove(parts, of: rows, at: now)
                case .keys(let keys): try transaction.dropKeys(keys)
                case .lines(let lines): try changes.drop(lines)
                }
            }
        }
    }

    /// Removes all details of an ended task at once; nil if there is no such task. Of one that has none left nothing changes.
    package func removeDetails(of id: TaskID, at now: Timestamp) async throws(TaskStoreError) -> DetailChange? {
        try await commit(.write("removeDetails")) { changes in
            guard let row = try changes.transaction.tasks([id]).first else { return nil }
            if row.task.isStub { return .made(row.task) }
            if let refusal = try changes.transaction.reasonToKeep(row) { return .refused(refusal, row.task) }
            try changes.remove(.all, of: [row], at: now)
            return changes.row(of: id).map { .made($0.task) }
        }
    }

    /// Keeps the details of a task from removal, or no longer; nil if there is no such task.
    package func setPinned(_ isPinned: Bool, _ id: TaskID) async throws(TaskStoreError) -> DetailChange? {
        try await commit(.write("setPinned")) { changes in
            guard let row = try changes.transaction.tasks([id]).first else { return nil }
            guard !row.task.isStub else { return .refused(.detailsRemoved, row.task) }
            var task = row.task
            task.isPinned = isPinned
            changes.change(row, to: task)
            return .made(task)
        }
    }
}

/// What became of a request to pin a task or to remove its details.
package enum DetailChange: Sendable {
    case made(TrackedTask)
    /// Nothing was changed.
    case refused(LifecycleRefusal, TrackedTask)
}

/// How far a sweep got, and what it has removed. A new one begins at the start, so a sweep that was interrupted loses nothing.
package struct RetentionSweep: Sendable {
    /// The most tasks of one commit. Other writes wait for it.
    static let batchSize = 50

    /// How much was removed, or would be.
    package struct Count: Sendable, Hashable {
        /// Tasks that lose all details.
        package var tasks = 0
        /// Tasks that lose their record and results only.
        package var responses = 0
        /// Lines of the log, with those of the tasks.
        package var events = 0
        package var keys = 0
        /// The length of removed texts. Rows and indexes come on top.
        package var bytes: Int64 = 0

        package init() {}
    }

    /// What one batch removes.
    fileprivate enum Removal {
        case details(RemovedDetails.Parts, of: [TaskRow])
        case keys([String])
        case lines([Int64])
    }

    /// Where the next batch begins within a step.
    private enum Place: Sendable {
        case task(endedAt: Timestamp, key: Int64)
        case key(KeyRow)
    }

    private var steps: ArraySlice<RetentionStep>
    private var place: Place?
    package private(set) var count = Count()

    /// A sweep that removes what is too old at that time.
    package init(_ policy: RetentionPolicy, at now: Timestamp) { steps = policy.steps(at: now)[...] }

    /// Whether nothing is left to do.
    package var isOver: Bool { steps.isEmpty }

    /// The most batches without anything to remove that one transaction looks at.
    private static let mostEmptyBatches = 20

    /// Passes the next batch to `remove`; returns the sweep after it.
    fileprivate func next(
        in rows: any StoreSnapshot, limit: Int, _ remove: (Removal) throws -> Void
    ) throws -> RetentionSweep {
        var sweep = self
        for _ in 1...Self.mostEmptyBatches {
            guard let step = sweep.steps.first, sweep.count == count else { break }
            try sweep.take(step, in: rows, limit: limit, remove)
        }
        return sweep
    }

    private mutating func take(
        _ step: RetentionStep, in rows: any StoreSnapshot, limit: Int, _ remove: (Removal) throws -> Void
    ) throws {
        let found: Int
        switch step {
        case .details(let parts, let state, let lacking, let start, let time):
            var after: (endedAt: Timestamp, key: Int64)? = start.map { ($0, Int64.max) }
            if case .task(let endedAt, let key) = place { after = (endedAt, key) }
            let ended = try rows.ended(
                EndedQuery(state: state, lacking: lacking, endedBy: time, after: after, limit: limit))
            let undelivered = try rows.undelivered(of: ended)
            let removable = try ended.filter { row in
                try !row.task.wasLost && !undelivered.contains(row.key) && rows.reasonToKeep(row) == nil
            }
            try add(parts, of: removable, in: rows)
            if !removable.isEmpty { try remove(.details(parts, of: removable)) }
            found = ended.count
            place = ended.last.map { .task(endedAt: $0.task.endedAt ?? time, key: $0.key) }
        case .keys(let time):
            var after: KeyRow?
            if case .key(let key) = place { after = key }
            let keys = try rows.keys(createdBy: time, after: after, limit: limit)
            let tasks = Dictionary(try rows.tasks(keys.map(\.task)).map { ($0.task.id, $0.task) }) { first, _ in first }
            let removable = keys.filter { key in
                guard let task = tasks[key.task] else { return true }
                return task.isStub && task.endedAt.map { $0 <= time } ?? false
            }
            count.keys += removable.count
            count.bytes += removable.reduce(0) { $0 + Int64($1.key.utf8.count) }
            if !removable.isEmpty { try remove(.keys(removable.map(\.key))) }
            found = keys.count
            place = keys.last.map { .key($0) }
        case .daemonLines(let time):
            let lines = try rows.daemonLines(by: time, limit: limit)
            count.events += lines.count
            if !lines.isEmpty { try remove(.lines(lines)) }
            // Without a place, a dry run counts one batch of them.
            found = limit > RetentionSweep.batchSize ? 0 : lines.count
        }
        if found < limit {
            steps.removeFirst()
            place = nil
        }
    }

    private mutating func add(_ parts: RemovedDetails.Parts, of rows: [TaskRow], in snapshot: any StoreSnapshot) throws
    {
        guard !rows.isEmpty else { return }
        let size = try snapshot.size(of: parts, of: rows.map(\.key))
        if parts == .all { count.tasks += rows.count }
        if parts == .response { count.responses += rows.count }
        count.events += size.events
        count.bytes += size.bytes
    }
}

extension StoreSnapshot {
    /// Why the details of a task must stay; nil if they may be removed.
    fileprivate func reasonToKeep(_ row: TaskRow) throws -> LifecycleRefusal? {
        if !row.task.state.hasEnded { return .notEnded }
        if row.task.isPinned { return .pinned }
        // Its request is needed to recognise a record that turns up late.
        let isSought = try givenUp(.of(row.task.id)).contains { $0.attempt.nextReadingAt != nil }
        return isSought ? .notSettled : nil
    }
}

extension ChangeSet {
    /// Removes parts of tasks and notes that in their rows.
    fileprivate mutating func remove(_ parts: RemovedDetails.Parts, of rows: [TaskRow], at now: Timestamp) throws {
        if let last = try transaction.removeDetails(parts, of: rows.map(\.key)) { try noteRemoval(upTo: last) }
        for row in rows {
            var task = row.task
            task.remove(parts, at: now)
            change(row, to: task)
        }
    }
}
