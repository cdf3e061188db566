package import TaskModel

/// What a start finds out about the database.
package enum WitnessFinding: Sendable {
    /// It is an older copy.
    case copy(RestoredMode)
    /// It is not known to be a copy, and was in use until then; nil if there was no witness. This cannot exclude files
    /// that were overwritten together, or a machine that was set back.
    case noCopy(runningUntil: Timestamp?)

    /// The mode of the database; nil if it is not known to be a copy.
    package var mode: RestoredMode? { if case .copy(let mode) = self { mode } else { nil } }
    /// When the database was last in use; nil if it is a copy or that is not known.
    package var runningUntil: Timestamp? { if case .noCopy(let time) = self { time } else { nil } }
}

/// Detects that the database is an older copy, and prevents paid requests from it.
extension TaskStore {
    /// Compares the database with its witness, once, before the first claim. Returns the mode of the database.
    ///
    /// A copy enters the mode in one commit, with all tasks that may have been sent since it was made.
    package func checkWitness(
        newEpoch: String, at now: Timestamp
    ) async throws(TaskStoreError) -> WitnessFinding {
        let (found, sendsPaid) = (witness?.witness.read(), witness != nil || journal != nil)
        let isShared = leaseTerm != nil
        let hasJournal = journal != nil
        let start = try await commit(.write("checkWitness")) { changes throws -> Start in
            let transaction = changes.transaction
            let meta = try transaction.meta()
            let latest = try transaction.latestEvent()
            let epoch = meta[.epoch] ?? newEpoch
            var start = Start(mode: nil, epoch: epoch, sequence: latest.sequence)
            let server = try transaction.serverIdentity()
            // The witnesses of several machines differ.
            let seen = isShared ? "\(server ?? "") \(meta[.backup] ?? "")" : Self.mark(of: found, meta)
            if let text = meta[.restored] {
                start.mode = try RestoredMode(text: text)
                // Another copy, made in this mode, may have been restored since.
                guard start.mode?.seen != seen else { return start }
            }
            if meta[.epoch] == nil {
                try transaction.put(.epoch, epoch)
                try transaction.put(.unwitnessed, "")
            }
            try transaction.beginLogEpoch(newEpoch, isCopy: false)
            let hasMoved = try transaction.hasMoved(meta)
            if let server { try transaction.put(.server, server) }
            let reason =
                start.mode?.reason
                ?? (hasMoved
                    ? "PostgreSQL goes on as another server or on a new timeline, so its last commits may be missing."
                    : Self.reason(for: found, meta, at: latest.sequence, isShared: isShared))
            guard sendsPaid, let reason else {
                // An earlier start may not have reached the check.
                let since = [found?.at, meta[.uncheckedSince].flatMap { Timestamp(rfc3339: $0) }].compactMap(\.self)
                    .min()
                start.runningUntil = since
                if let since { try transaction.put(.uncheckedSince, since.rfc3339) }
                return start
            }
            let times = [latest.at, meta[.backup].flatMap { Timestamp(rfc3339: $0) }, start.mode?.since, now]
            var mode = RestoredMode(since: times.compactMap(\.self).min() ?? now, at: now, reason: reason, seen: seen)
            // The journals show what the new server lacks, unless a person has to decide for another reason.
            let mayCompare = meta[.backup] == nil && (start.mode.map { $0.journals != nil } ?? true)
            if hasMoved, hasJournal, mayCompare {
                mode.journals = try transaction.beginJournalWait(after: start.mode?.journals)
            }
            start.mode = mode
            try transaction.put(.restored, mode.text)
            try transaction.beginLogEpoch(newEpoch, isCopy: true)
            if hasMoved { try transaction.endAllWork(at: now) }
            if mode.journals == nil { try changes.doubt(since: mode.since, at: now) }
            return start
        }
        if let mode = start.mode { return .copy(mode) }
        try await begin(start, at: now)
        return .noCopy(runningUntil: start.runningUntil)
    }

    /// The text that distinguishes copies.
    private static func mark(of witness: WitnessStatement?, _ meta: [MetaName: String]) -> String {
        "\(witness.map { "\($0.epoch) \($0.sequence)" } ?? "none") \(meta[.backup] ?? "")"
    }

    /// Stores that the daemon runs at this time, so that the next start knows when it last ran.
    package func refreshWitness(at now: Timestamp) async { await witness?.refresh(at: now) }

    /// What a start finds.
    private struct Start {
        var mode: RestoredMode?
        let epoch: String
        let sequence: Int64
        /// When the database was last in use; nil if that is not known.
        var runningUntil: Timestamp?
    }

    /// Stores that no task that was queued at a start is in doubt any more.
    package func noteStartChecked() async throws(TaskStoreError) {
        try await write("noteStartChecked") { transaction in
            if try transaction.meta()[.uncheckedSince] != nil { try transaction.drop(.uncheckedSince) }
        }
    }

    /// Writes the first witness of the epoch or of this start, then stores that it exists.
    private func begin(_ start: Start, at now: Timestamp) async throws(TaskStoreError) {
        try await witness?.begin(epoch: start.epoch, at: start.sequence, now: now)
        try await write("witnessed") { transaction in
            if try transaction.meta()[.unwitnessed] != nil { try transaction.drop(.unwitnessed) }
        }
    }

    /// Why the database must be an older copy; nil if it is not known to be one.
    private static func reason(
        for witness: WitnessStatement?, _ meta: [MetaName: String], at sequence: Int64, isShared: Bool
    ) -> String? {
        if let place = meta[.movedTo] { return "The tasks of the database were moved to \(place) and go on there." }
        if let backup = meta[.backup] { return "The database is a backup of \(backup)." }
        // The epoch was committed before its first witness.
        let isUnwitnessed = meta[.unwitnessed] != nil
        guard let witness else {
            // Each machine has a witness of its own, and a new machine has none yet.
            if isShared { return nil }
            // A database of an earlier version has no epoch, and gets its first witness without a message.
            return meta[.epoch] != nil && !isUnwitnessed
                ? "The state directory lacks its file witness, as if only the database had been restored." : nil
        }
        // Another machine may have begun the epoch.
        if isUnwitnessed || isShared, witness.epoch != meta[.epoch] { return nil }
        if witness.sequence > sequence {
            return "Attempts were started after the database was copied, the last at \(witness.at.rfc3339)."
        }
        guard let epoch = meta[.epoch] else { return "The database is older than the state directory that it is in." }
        if witness.epoch != epoch { return "The database is from before a restore, or from another state directory." }
        return witness.isOriginal ? nil : "The state directory is a copy."
    }

    /// The mode of the database; nil if it is not known to be a copy.
    package func restoredMode() async throws(TaskStoreError) -> RestoredMode? {
        try await read("restoredMode") { try $0.meta()[.restored].map { text in try RestoredMode(text: text) } }
    }

    /// Changes the time since which tasks of the copy may have been sent; nil if the database is not in this mode.
    package func moveRestore(
        since: Timestamp, at now: Timestamp
    ) async throws(TaskStoreError) -> RestoredMode? {
        try await commit(.write("moveRestore")) { changes throws -> RestoredMode? in
            guard let text = try changes.transaction.meta()[.restored] else { return nil }
            var mode = try RestoredMode(text: text)
            mode.since = min(since, mode.at)
            try changes.transaction.put(.restored, mode.text)
            for row in try changes.transaction.open(in: .uncertain) where row.task.wasPerhapsSent {
                var task = row.task
                task.attempt = task.attempt.map { $0.started(at: mode.since) }
                task.nextDueAt = now
                changes.change(row, to: task)
            }
            return mode
        }
    }

    /// Ends the mode when a person accepts the copy. Tasks that may have been sent and were not found are sent, and a
    /// new epoch begins.
    ///
    /// Returns the number of tasks that are sent again.
    package func acceptRestore(newEpoch: String, at now: Timestamp) async throws(TaskStoreError) -> Int {
        let accepted = try await commit(.write("acceptRestore")) { changes throws -> Accepted in
            let meta = try changes.transaction.meta()
            // Another person may have accepted it in the meantime.
            guard meta[.restored] != nil || meta[.unwitnessed] != nil else { return Accepted(count: 0, sequence: nil) }
            // Another process may know of a newer server than the person who accepts.
            let mode = try meta[.restored].map { text in try RestoredMode(text: text) }
            guard try mode?.journals == nil && !changes.transaction.hasMoved(meta) else {
                throw TaskStoreError.restored
            }
            let rows = try changes.transaction.open(in: .uncertain).filter(\.task.wasPerhapsSent)
            let ids = rows.map(\.task.id)
            try changes.load(ids)
            for id in ids {
                let event = ScheduledEvent(.resubmitted(.resubmitted), for: id, nextDueAt: now)
                _ = try changes.apply(PreparedEvent(event), at: now)
            }
            for name in [MetaName.restored, .backup, .movedTo, .uncheckedSince] { try changes.transaction.drop(name) }
            try changes.transaction.put(.epoch, newEpoch)
            try changes.transaction.put(.unwitnessed, "")
            return Accepted(count: ids.count, sequence: try changes.transaction.latestEvent().sequence)
        }
        if let sequence = accepted.sequence {
            try await begin(Start(mode: nil, epoch: newEpoch, sequence: sequence), at: now)
        }
        return accepted.count
    }

    private struct Accepted {
        let count: Int
        /// Nil if there was nothing to accept.
        let sequence: Int64?
    }

    /// Returns once it is on disk, outside the database, that the task's latest attempt was started. Call it before the
    /// first byte of its request is sent.
    package func noteStart(of task: TrackedTask, at now: Timestamp) async throws(TaskStoreError) {
        if let attempt = task.attempt {
            try await journal?.append(
                .attempt(
                    JournalEntry(task: task.id, attempt: attempt, account: task.account, place: log.latestStart)))
        }
        try await secureWitness(at: now)
    }

    /// Returns once the witness is on disk for all attempts started so far.
    package func secureWitness(at now: Timestamp) async throws(TaskStoreError) {
        try await witness?.secure(log.latestStart, at: now)
    }
}

extension StoreSnapshot {
    /// Whether the server is not the one on which the mode was last decided. `meta` are the facts about the database.
    func isOnOtherServer(_ meta: [MetaName: String]) throws -> Bool {
        try serverIdentity().map { $0 != meta[.server] } ?? false
    }

    /// Whether the database was on another server when the mode was last decided.
    func hasMoved(_ meta: [MetaName: String]) throws -> Bool { try meta[.server] != nil && isOnOtherServer(meta) }
}

extension ChangeSet {
    /// Makes the copy's queued tasks uncertain, and extends the search windows of its uncertain tasks. Each may have
    /// been sent since then.
    mutating func doubt(since: Timestamp, at now: Timestamp) throws {
        let queued = try transaction.open(in: .queued).map(\.task.id)
        try load(queued)
        for id in queued {
            _ = try apply(PreparedEvent(ScheduledEvent(.perhapsSent(since: since), for: id, nextDueAt: now)), at: now)
        }
        for row in try transaction.open(in: .uncertain) {
            var task = row.task
            guard var attempt = task.attempt else { continue }
            attempt = attempt.started(at: min(attempt.startedAt, since))
            attempt.endedAt = now
            task.attempt = attempt
            // Another account may have sent it since.
            task.account = .unknown
            // An attempt that ended with its daemon sent nothing later. That does not hold for a copy.
            if task.failure?.code == TaskFailure.daemonStopped {
                task.failure = TaskFailure(
                    code: TaskFailure.replyLost, message: "No reply is known, in an older copy of the database.")
            }
            task.nextDueAt = now
            change(row, to: task)
            count(from: row.task, to: task)
        }
    }
}
