package import TaskModel

/// Notices that the database is an older copy, and keeps it from paying again.
extension TaskStore {
    /// Compares the database with its witness, once, before the first claim. Returns the mode that the database is in now.
    ///
    /// A copy enters the mode in a commit of its own. Then all tasks that were queued at `now` become uncertain, in further
    /// commits: a crash between them is made up for by the next start.
    package func checkWitness(
        newEpoch: String, at now: Timestamp
    ) async throws(TaskStoreError) -> RestoredMode? {
        let (found, hasWitness) = (witness?.witness.read(), witness != nil)
        let start = try await write("checkWitness") { transaction throws -> Start in
            let meta = try transaction.meta()
            let latest = try transaction.latestEvent()
            let epoch = meta[.epoch] ?? newEpoch
            if let text = meta[.restored] {
                return Start(mode: try RestoredMode(text: text), epoch: epoch, sequence: latest.sequence)
            }
            if meta[.epoch] == nil {
                try transaction.put(.epoch, epoch)
                try transaction.put(.unwitnessed, "")
            }
            var start = Start(mode: nil, epoch: epoch, sequence: latest.sequence)
            let hasAttempts = found == nil ? try transaction.hasAttempts() : true
            guard hasWitness, let reason = Self.reason(for: found, meta, at: latest.sequence, hasAttempts: hasAttempts)
            else { return start }
            start.mode = RestoredMode(since: min(latest.at ?? now, now), at: now, reason: reason)
            try transaction.put(.restored, start.mode?.text ?? "")
            return start
        }
        if let mode = start.mode { try await doubtQueue(of: mode, at: now) } else { try await begin(start, at: now) }
        return start.mode
    }

    /// What a start finds.
    private struct Start {
        var mode: RestoredMode?
        let epoch: String
        let sequence: Int64
    }

    /// Writes the first witness of the epoch or of this start, then notes that there is one.
    private func begin(_ start: Start, at now: Timestamp) async throws(TaskStoreError) {
        guard let witness else { return }
        try await witness.begin(epoch: start.epoch, at: start.sequence, now: now)
        try await write("witnessed") { transaction in
            if try transaction.meta()[.unwitnessed] != nil { try transaction.drop(.unwitnessed) }
        }
    }

    /// Why the database must be an older copy; nil if it is not known to be one.
    private static func reason(
        for witness: WitnessStatement?, _ meta: [MetaName: String], at sequence: Int64, hasAttempts: Bool
    ) -> String? {
        if let backup = meta[.backup] { return "The database is a backup of \(backup)." }
        // A crash came between the commit of the epoch and its first witness.
        let isUnwitnessed = meta[.unwitnessed] != nil
        guard let witness else {
            // A database of an earlier version has no epoch, and gets its first witness without a word.
            return hasAttempts && meta[.epoch] != nil && !isUnwitnessed
                ? "The state directory lacks its file witness, as after the database alone was put back." : nil
        }
        if witness.sequence > sequence {
            return "Attempts were started after the database was copied, the last at \(witness.at.rfc3339)."
        }
        guard let epoch = meta[.epoch] else { return "The database is older than the state directory that it is in." }
        if witness.epoch != epoch, !isUnwitnessed {
            return "The database is from before a restore, or from another state directory."
        }
        return witness.isOriginal ? nil : "The state directory is a copy."
    }

    /// Makes uncertain what was queued when the mode was entered.
    private func doubtQueue(of mode: RestoredMode, at now: Timestamp) async throws(TaskStoreError) {
        while true {
            let queued = try await tasks(in: .queued, limit: 500).filter { $0.createdAt <= mode.at }
            guard !queued.isEmpty else { return }
            _ = try await apply(
                queued.map { ScheduledEvent(.perhapsSent(since: mode.since), for: $0.id, nextDueAt: now) }, at: now)
        }
    }

    /// The mode that the database is in; nil if it is not known to be a copy.
    package func restoredMode() async throws(TaskStoreError) -> RestoredMode? {
        try await read("restoredMode") { try $0.meta()[.restored].map { text in try RestoredMode(text: text) } }
    }

    /// Moves the time since which tasks of the copy may have been sent; nil if the database is in no such mode.
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

    /// Ends the mode, on a person's word: what may have been sent and was not found is sent, and a new epoch begins.
    ///
    /// Returns how many tasks are sent again.
    package func acceptRestore(newEpoch: String, at now: Timestamp) async throws(TaskStoreError) -> Int {
        let accepted = try await commit(.write("acceptRestore")) { changes throws -> Accepted in
            let rows = try changes.transaction.open(in: .uncertain).filter(\.task.wasPerhapsSent)
            let ids = rows.map(\.task.id)
            try changes.load(ids)
            for id in ids {
                let event = ScheduledEvent(.resubmitted(.resubmitted), for: id, nextDueAt: now)
                _ = try changes.apply(PreparedEvent(event), at: now)
            }
            for name in [MetaName.restored, .backup] { try changes.transaction.drop(name) }
            try changes.transaction.put(.epoch, newEpoch)
            try changes.transaction.put(.unwitnessed, "")
            return Accepted(count: ids.count, sequence: try changes.transaction.latestEvent().sequence)
        }
        try await begin(Start(mode: nil, epoch: newEpoch, sequence: accepted.sequence), at: now)
        return accepted.count
    }

    private struct Accepted {
        let count: Int
        let sequence: Int64
    }

    /// Returns once the witness is on disk for all attempts that were started so far. To be called before their first byte.
    package func secureWitness(at now: Timestamp) async throws(TaskStoreError) {
        guard let witness else { return }
        try await witness.secure(log.latestStart, at: now)
    }
}

extension TrackedTask {
    /// Whether it is uncertain only because the database is a copy.
    package var wasPerhapsSent: Bool { state == .uncertain && failure?.code == TaskFailure.perhapsSent }
}
