package import TaskModel

/// Removes the details of ended tasks, and later the tasks.
///
/// The row stays for a while with its labels, its attempts with a remote id, and its idempotency key. They prevent a
/// request from being paid for twice.
extension TaskStore {
    /// Advances a sweep by one small commit, and returns its new state. A dry run only counts.
    package func advance(
        _ sweep: RetentionSweep, isDryRun: Bool = false, at now: Timestamp
    ) async throws(TaskStoreError) -> RetentionSweep {
        guard !sweep.isOver else { return sweep }
        if isDryRun {
            // A dry run writes nothing, so its batch need not be small.
            return try await read("countDetails", .page) { rows in
                try sweep.next(in: rows, limit: 1_000) { _ in }
            }
        }
        return try await commit(.write("sweep")) { changes in
            // Reads and removal share a transaction, so a task that is pinned or reopened in the meantime is not
            // removed.
            let transaction = changes.transaction
            return try sweep.next(in: transaction, limit: RetentionSweep.batchSize) { removal in
                switch removal {
                case .details(let parts, let rows): try changes.remove(parts, of: rows, at: now)
                case .stubs(let rows):
                    if let last = try transaction.removeTasks(rows.map(\.key)) { try changes.noteRemoval(upTo: last) }
                case .keys(let rows): try changes.removeKeys(of: rows)
                case .artefacts(let files):
                    for file in files {
                        try transaction.mark(
                            file.artefact, of: file.key,
                            because: "The file was removed: it was older than retention.artefacts allows.")
                    }
                case .lines(let lines): try changes.drop(lines)
                case .ledger(let attempts): try transaction.drop(attempts)
                }
            }
        }
    }

    /// Removes all details of an ended task at once, and marks the files of its results for removal; nil if it does not exist.
    /// A task without details stays unchanged.
    package func removeDetails(of id: TaskID, at now: Timestamp) async throws(TaskStoreError) -> DetailChange? {
        try await commit(.write("removeDetails")) { changes in
            guard let row = try changes.transaction.tasks([id]).first else { return nil }
            if row.task.isStub { return .made(row.task) }
            if let refusal = try changes.transaction.reasonToKeep(row) { return .refused(refusal, row.task) }
            try changes.remove(.all, of: [row], at: now)
            try changes.transaction.removeArtefacts(
                of: row.key, because: "The file was removed with the details of its task.")
            return changes.row(of: id).map { .made($0.task) }
        }
    }

    /// Pins or unpins the details of a task; nil if the task does not exist.
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

/// The outcome of a request to pin a task or to remove its details.
package enum DetailChange: Sendable {
    case made(TrackedTask)
    /// Nothing was changed.
    case refused(LifecycleRefusal, TrackedTask)
}

/// The progress of a sweep and its counts. A new sweep starts at the beginning, so an interrupted one loses nothing.
package struct RetentionSweep: Sendable {
    /// The maximum number of tasks per commit. Other writes wait for it.
    static let batchSize = 50

    /// What was removed, or would be.
    package struct Count: Sendable, Hashable {
        /// The number of tasks that lose all details.
        package var tasks = 0
        /// The number of tasks that lose their record and results only.
        package var responses = 0
        /// The number of lines of the log, including those of the tasks.
        package var events = 0
        package var keys = 0
        /// The number of tasks without details that are removed as a whole.
        package var stubs = 0
        /// The number of lines of the ledger.
        package var ledger = 0
        /// Files of results, and their length.
        package var files = 0
        package var fileBytes: Int64 = 0
        /// The length of removed texts, without the overhead of rows and indexes.
        package var bytes: Int64 = 0

        package init() {}
    }

    /// The removals of one batch.
    fileprivate enum Removal {
        case details(RemovedDetails.Parts, of: [TaskRow])
        case stubs([TaskRow])
        case keys(of: [TaskRow])
        case artefacts([StoredArtefact])
        case lines([Int64])
        case ledger([SettledAttempt])
    }

    /// The position where the next batch begins within a step. For files the time is when one was saved.
    private typealias Place = (endedAt: Timestamp, key: Int64)

    private var steps: ArraySlice<RetentionStep>
    private var place: Place?
    package private(set) var count = Count()

    /// Creates a sweep that removes what is too old at that time.
    package init(_ policy: RetentionPolicy, keepingStubs: Bool = false, at now: Timestamp) {
        steps = policy.steps(at: now, keepingStubs: keepingStubs)[...]
    }

    /// Whether the sweep is complete.
    package var isOver: Bool { steps.isEmpty }

    /// The maximum number of batches without a removal in one transaction.
    private static let mostEmptyBatches = 20

    /// Passes the next batch to `remove`; returns the sweep after it.
    fileprivate func next(
        in rows: any StoreSnapshot, limit: Int, _ remove: (Removal) throws -> Void
    ) throws -> RetentionSweep {
        var sweep = self
        var hasRemoved = false
        for _ in 1...Self.mostEmptyBatches {
            guard let step = sweep.steps.first, !hasRemoved else { break }
            try sweep.take(step, in: rows, limit: limit) { removal in
                hasRemoved = true
                try remove(removal)
            }
        }
        return sweep
    }

    private mutating func take(
        _ step: RetentionStep, in rows: any StoreSnapshot, limit: Int, _ remove: (Removal) throws -> Void
    ) throws {
        let found: Int
        switch step {
        case .details(let parts, let state, let lacking, let start, let time):
            let ended = try rows.ended(
                EndedQuery(
                    state: state, lacking: lacking, endedBy: time, after: place ?? start.map { ($0, .max) },
                    limit: limit))
            let undelivered = try rows.undelivered(of: ended)
            let removable = try ended.filter { row in
                try !row.task.wasLost && !undelivered.contains(row.key) && rows.reasonToKeep(row) == nil
            }
            try add(parts, of: removable, in: rows)
            if !removable.isEmpty { try remove(.details(parts, of: removable)) }
            found = pass(ended, by: time)
        case .stubs(let isKeyless, let time):
            let stubs = try rows.stubs(StubQuery(isKeyless: isKeyless, endedBy: time, after: place, limit: limit))
            let removable = try rows.removable(stubs)
            count.stubs += removable.count
            try addKeys(of: removable, in: rows)
            if !removable.isEmpty { try remove(.stubs(removable)) }
            found = pass(stubs, by: time)
        case .keys(let start, let time):
            let stubs = try rows.stubs(
                StubQuery(isKeyless: false, endedBy: time, after: place ?? start.map { ($0, .max) }, limit: limit))
            try addKeys(of: stubs, in: rows)
            if !stubs.isEmpty { try remove(.keys(of: stubs)) }
            found = pass(stubs, by: time)
        case .artefacts(let time):
            let files = try rows.artefacts(savedBy: time, after: place.map { ($0.endedAt, $0.key) }, limit: limit)
            count.files += files.count
            count.fileBytes += files.reduce(0) { $0 + ($1.artefact.object?.size ?? 0) }
            if !files.isEmpty { try remove(.artefacts(files)) }
            // Files of one task that were saved at the same time may go with the next sweep.
            place = files.last.map { ($0.artefact.savedAt ?? time, $0.key) }
            found = files.count
        case .daemonLines(let time):
            let lines = try rows.daemonLines(by: time, limit: limit)
            count.events += lines.count
            if !lines.isEmpty { try remove(.lines(lines)) }
            // Without a place, a dry run counts one batch of them.
            found = limit > RetentionSweep.batchSize ? 0 : lines.count
        case .ledger(let time, let now):
            // A total keeps its sum in its meter, not in the ledger.
            let begun = try rows.budgets().map(\.budget).filter { $0.period != .total }.map { $0.period(at: now).start }
            let attempts = try rows.settledAttempts(startedBefore: min(time, begun.min() ?? time), limit: limit)
            count.ledger += attempts.reduce(0) { $0 + $1.lines }
            if !attempts.isEmpty { try remove(.ledger(attempts)) }
            // Without a place, a dry run counts one batch of them.
            found = limit > RetentionSweep.batchSize ? 0 : attempts.count
        }
        if found < limit {
            steps.removeFirst()
            place = nil
        }
    }

    /// Advances to the last of these rows; returns their number.
    private mutating func pass(_ rows: [TaskRow], by time: Timestamp) -> Int {
        place = rows.last.map { ($0.task.endedAt ?? time, $0.key) }
        return rows.count
    }

    private mutating func addKeys(of rows: [TaskRow], in snapshot: any StoreSnapshot) throws {
        let keys = try snapshot.idempotencyKeys(of: rows.map(\.key))
        count.keys += keys.count
        count.bytes += keys.reduce(0) { $0 + Int64($1.utf8.count) }
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
        // Its request is needed to recognise a late record.
        let isSought = try givenUp(.of(row.task.id)).contains { $0.attempt.nextReadingAt != nil }
        return isSought ? .notSettled : nil
    }

    /// The tasks among these stubs that may be removed.
    fileprivate func removable(_ stubs: [TaskRow]) throws -> [TaskRow] {
        guard !stubs.isEmpty else { return [] }
        // Otherwise the next task would get the newest task's key again.
        let newest = try latestKey()
        var lost: [ServiceName: [ClosedRange<Timestamp>]] = [:]
        return try stubs.filter { stub in
            guard stub.key != newest, try reasonToKeep(stub) == nil else { return false }
            // The file would be on disk, and nothing would know of it.
            if try artefacts(of: stub.key).contains(where: { $0.object != nil || $0.state == .waiting }) {
                return false
            }
            let service = stub.task.endpoint.service
            let periods = try lost[service] ?? lostPeriods(of: service)
            lost[service] = periods
            let (begun, ended) = (stub.task.createdAt, stub.task.endedAt ?? stub.task.createdAt)
            return !periods.contains {
                $0.lowerBound - lostSpan <= ended && begun <= $0.upperBound + lostSpan
            }
        }
    }

    /// A search for a lost attempt does not reach records this far from it, even if a clock was hours off.
    private var lostSpan: Duration { .seconds(86_400) }

    /// The periods in which attempts of a service without a known record may have reached the provider. Tasks that ran
    /// then must stay. Without its owner, a search could assign one of their records to the lost attempt.
    private func lostPeriods(of service: ServiceName) throws -> [ClosedRange<Timestamp>] {
        let (first, last) = (Timestamp(milliseconds: .min), Timestamp(milliseconds: .max))
        let open = try [TaskState.submitting, .uncertain].flatMap { state in
            try services(with: .tasks(state)).filter { $0.service == service }.flatMap {
                try due(in: state, of: $0, by: last, excluding: [], limit: .max).compactMap(\.attempt)
            }
        }
        let givenUp = try givenUp(.begun(service: service, in: first...last)).map(\.attempt.attempt)
        return (open + givenUp).map { $0.period(until: $0.endedAt ?? $0.startedAt) }
    }
}

extension ChangeSet {
    /// Removes parts of tasks and notes that in their rows.
    fileprivate mutating func remove(_ parts: RemovedDetails.Parts, of rows: [TaskRow], at now: Timestamp) throws {
        if parts.contains(.response) {
            for row in rows {
                try transaction.removeArtefacts(
                    of: row.key, onlyContent: true, because: "The file was removed with the record of its task.")
            }
        }
        if let last = try transaction.removeDetails(parts, of: rows.map(\.key)) { try noteRemoval(upTo: last) }
        for row in rows {
            var task = row.task
            task.remove(parts, at: now)
            change(row, to: task)
        }
    }

    /// Removes the idempotency keys of tasks without details, and marks that in their rows.
    fileprivate mutating func removeKeys(of rows: [TaskRow]) throws {
        try transaction.dropKeys(of: rows.map(\.key))
        for row in rows {
            var task = row.task
            task.removed?.parts.insert(.key)
            change(row, to: task)
        }
    }
}
