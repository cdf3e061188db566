package import TaskModel
import VerbatimJSON

/// What a machine has found when it compared its journal with the database.
package struct JournalFinding: Sendable {
    /// The mode of the database now; nil if paid requests may be sent.
    package internal(set) var mode: RestoredMode?
    /// Attempts that the database had lost. Their tasks are uncertain now.
    package internal(set) var recovered: [JournalEntry] = []
    /// Attempts that the database had lost, of tasks that have gone on since. They may be paid twice.
    package internal(set) var late: [JournalEntry] = []
    /// Attempts whose tasks the database has lost.
    package internal(set) var orphans: [JournalEntry] = []
    /// Where the log ended.
    var place: Int64 = 0
}

/// After a fail-over, the journals of all machines show which attempts the new server lacks.
///
/// Nothing paid is sent until all journals were compared. An attempt that the database has lost makes its task uncertain, so it is looked up at the
/// provider like any other attempt whose reply was lost.
extension TaskStore {
    /// Writes into the journal that this process has begun. Call it before the process acquires a lease.
    package func beginJournal() async throws(TaskStoreError) { try await journal?.append(.process(holder.token)) }

    /// Whether this process must compare its journal with the database on that server.
    package func mustCompareJournal(with server: String?) -> Bool {
        guard let journal, let server else { return false }
        return !journal.isCompared(with: server)
    }

    /// Compares the journal with the database; nil if there is no journal.
    ///
    /// Before the call, end all permits of this process: an attempt without a line in the journal must not be sent any more.
    package func compareJournal(newEpoch: String, at now: Timestamp) async throws(TaskStoreError) -> JournalFinding? {
        guard let journal else { return nil }
        let contents = try await journal.read()
        let (identity, end) = try await read("server", .snapshot) { rows in
            (try rows.serverIdentity(), try rows.latestEvent().sequence)
        }
        guard let server = identity else { return nil }
        // The same server lacks nothing, unless its database was replaced.
        let reason =
            contents.isAhead(of: end, on: server)
            ? "The journal of this machine is later than the database."
            : contents.hasLeft(server) ? "The database is on a server again that another one had replaced." : nil
        let isChecked = contents.latestServer == server && reason == nil
        let (suspects, isComplete) = isChecked ? ([], true) : try await suspects(in: contents, of: server)
        let processes = contents.processes.union([holder.token])
        let finding = try await commit(.write("compareJournal")) { changes throws -> JournalFinding in
            let meta = try changes.transaction.meta()
            guard try meta[.server] == server && !changes.transaction.isOnOtherServer(meta) else {
                throw TaskStoreError.restored
            }
            var finding = JournalFinding(mode: try meta[.restored].map { text in try RestoredMode(text: text) })
            let latest = try changes.transaction.latestEvent()
            finding.place = latest.sequence
            try changes.recover(
                try changes.transaction.lacking(suspects), in: &finding, at: now)
            if !isChecked { try changes.endSubmissions(of: processes, at: now) }
            if var wait = finding.mode?.journals {
                wait.awaited.removeAll { processes.contains($0.token) }
                finding.mode?.journals = isComplete ? wait : nil
                if !isComplete { try changes.doubt(since: finding.mode?.since ?? now, at: now) }
            } else if finding.mode == nil, let reason {
                // Other machines may have sent tasks since, too.
                let since = min(latest.at ?? now, now)
                finding.mode = RestoredMode(
                    since: since, at: now, reason: reason,
                    seen: "\(server) \(meta[.backup] ?? "")")
                try changes.transaction.beginLogEpoch(newEpoch, isCopy: true)
                try changes.doubt(since: since, at: now)
            }
            if let mode = finding.mode { try changes.transaction.put(.restored, mode.text) }
            return finding
        }
        for entry in finding.orphans {
            try await journal.append(.reported(entry.task, attempt: entry.attempt.number))
        }
        try await journal.append(.compared(server: server, place: finding.place))
        return finding
    }

    /// The attempts of the journal that the database may lack, and whether it lacks no others.
    ///
    /// A fail-over loses the latest commits. So an attempt is not lost if a clearly later one is in the database. If its task is
    /// missing nevertheless, retention has removed it.
    private func suspects(
        in contents: JournalContents, of server: String
    ) async throws(TaskStoreError) -> (suspects: [JournalEntry], isComplete: Bool) {
        var suspects: [JournalEntry] = []
        // The start of the latest attempt that is there.
        var known: Timestamp?
        var rest = contents.latestAttempts[...]
        while let next = rest.first, known.map({ next.attempt.startedAt >= $0 - Self.longestStart }) ?? true {
            let batch = Array(rest.prefix(Self.attemptsPerLook))
            rest = rest.dropFirst(batch.count)
            let lacking = try await read("journal", .snapshot) { rows in
                // Another connection may lead to another server.
                guard try rows.serverIdentity() == server else { throw TaskStoreError.restored }
                return try rows.lacking(batch)
            }
            suspects += lacking
            let there = batch.filter { !lacking.contains($0) }.map(\.attempt.startedAt)
            known = (there + [known].compactMap(\.self)).max()
        }
        // A file that was replaced lacks the line of this process.
        guard let known else { return (suspects, contents.isWhole && contents.processes.contains(holder.token)) }
        return (
            suspects.filter { $0.attempt.startedAt >= known - Self.longestStart },
            contents.processes.contains(holder.token)
        )
    }

    private static let attemptsPerLook = 200
    /// More time than passes from the time of an attempt to its commit.
    private static let longestStart = Duration.seconds(60)

    /// Ends the wait for journals if all have come and its time is over. Returns whether it has ended.
    package func endJournalWait(at now: Timestamp) async throws(TaskStoreError) -> Bool {
        try await commit(.write("endJournalWait")) { changes in
            let meta = try changes.transaction.meta()
            guard let text = meta[.restored], let wait = try RestoredMode(text: text).journals, wait.awaited.isEmpty,
                try changes.transaction.now() >= wait.until && !changes.transaction.isOnOtherServer(meta)
            else { return false }
            try changes.transaction.drop(.restored)
            changes.append(DaemonEvent(at: now, kind: "journals_compared"))
            return true
        }
    }

    /// Ends the wait for journals that a person does not expect any more. Every queued task may then have been sent by their
    /// machines, and only a person ends the mode. Returns the mode; nil if there is none.
    package func giveUpJournals(at now: Timestamp) async throws(TaskStoreError) -> RestoredMode? {
        try await commit(.write("giveUpJournals")) { changes throws -> RestoredMode? in
            guard let text = try changes.transaction.meta()[.restored] else { return nil }
            var mode = try RestoredMode(text: text)
            guard mode.journals != nil else { return mode }
            mode.journals = nil
            try changes.transaction.put(.restored, mode.text)
            try changes.doubt(since: mode.since, at: now)
            return mode
        }
    }
}

extension JournalContents {
    /// The processes of this machine.
    fileprivate var processes: Set<LeaseToken> {
        Set(lines.compactMap { if case .process(let token) = $0 { token } else { nil } })
    }

    /// The latest attempt of each task that was not reported, latest first.
    fileprivate var latestAttempts: [JournalEntry] {
        var seen: Set<TaskID> = []
        return lines.reversed().compactMap { line in
            switch line {
            case .attempt(let entry): return seen.insert(entry.task).inserted ? entry : nil
            // A task that the database has lost is not sent again.
            case .reported(let task, _):
                seen.insert(task)
                return nil
            case .process, .compared: return nil
            }
        }
    }

    /// The server of the latest comparison; nil if there was none.
    fileprivate var latestServer: String? {
        lines.reversed().lazy.compactMap { if case .compared(let server, _) = $0 { server } else { nil } }.first
    }

    /// Whether it was compared with that server before, and with another one since.
    fileprivate func hasLeft(_ server: String) -> Bool {
        latestServer != server && lines.contains { if case .compared(server, _) = $0 { true } else { false } }
    }

    /// Whether the log on that server had later places than that one when a line was written.
    fileprivate func isAhead(of place: Int64, on server: String) -> Bool {
        var latest: Int64 = 0
        for line in lines.reversed() {
            switch line {
            case .attempt(let entry): latest = max(latest, entry.place)
            // The attempts after this line were made on its server.
            case .compared(let known, let end): return known == server && max(latest, end) > place
            case .process, .reported: break
            }
        }
        return false
    }
}

extension StoreSnapshot {
    /// Those of the attempts that the database does not have.
    fileprivate func lacking(_ entries: [JournalEntry]) throws -> [JournalEntry] {
        let tasks = Dictionary(try tasks(entries.map(\.task)).map { ($0.task.id, $0.task) }) { first, _ in first }
        return try entries.filter { entry in
            guard let task = tasks[entry.task] else { return true }
            guard entry.attempt.number <= task.attempts else { return try !hasOutcome(of: entry) }
            // Only a guess has this number.
            if task.wasPerhapsSent, task.attempts == entry.attempt.number { return true }
            if task.attempt?.number == entry.attempt.number, task.attempt?.startedAt == entry.attempt.startedAt {
                return false
            }
            return try !task.lacks(.events) && isOtherAttempt(entry)
        }
    }

    /// Whether the log has the reply to an attempt whose start it does not have.
    private func hasOutcome(of entry: JournalEntry) throws -> Bool {
        let number = "\(entry.attempt.number)"
        return try events(of: entry.task, after: 0, limit: 10_000).contains { line in
            try StoredDocument.read(line.detail)["attempt"]?.number?.digits == number
        }
    }

    /// Whether the log has another attempt with the number of this one. Lines of old attempts are removed.
    private func isOtherAttempt(_ entry: JournalEntry) throws -> Bool {
        let (number, start) = ("\(entry.attempt.number)", entry.attempt.startedAt)
        var isThere = false
        for line in try events(of: entry.task, after: 0, limit: 10_000)
        where ["submission_started", "found_in_journal"].contains(line.kind) {
            let detail = try StoredDocument.read(line.detail)
            guard detail["attempt"]?.number?.digits == number else { continue }
            if line.at == start || detail["started_at"]?.string == start.rfc3339 { return false }
            isThere = true
        }
        return isThere
    }
}

extension StoreTransaction {
    /// Begins to wait for the journals of the processes that had a lease. An earlier wait goes on.
    func beginJournalWait(after former: JournalWait?) throws -> JournalWait {
        let processes = try leases().filter(\.name.isOfProcess).map { AwaitedProcess(token: $0.token, name: $0.holder) }
        let others = (former?.awaited ?? []).filter { !processes.contains($0) }
        return JournalWait(awaited: processes + others, until: try now() + Lease.term)
    }
}

extension ChangeSet {
    /// Makes the tasks of lost attempts uncertain.
    fileprivate mutating func recover(
        _ entries: [JournalEntry], in finding: inout JournalFinding, at now: Timestamp
    ) throws {
        try load(entries.map(\.task))
        // In the order in which they were started.
        for entry in entries.sorted(by: { $0.attempt.startedAt < $1.attempt.startedAt }) {
            guard let row = row(of: entry.task) else {
                finding.orphans.append(entry)
                append(.attemptWithoutTask(entry, at: now))
                continue
            }
            let event = ScheduledEvent(
                .foundInJournal(entry.attempt, account: entry.account), for: entry.task, attempt: entry.attempt.number,
                nextDueAt: now)
            guard let change = try apply(PreparedEvent(event), at: now).first, change.transition != .note else {
                finding.late.append(entry)
                continue
            }
            finding.recovered.append(entry)
            guard let digest = entry.attempt.callback else { continue }
            try transaction.insert([NewToken(digest: digest, key: row.key, attempt: entry.attempt.number)])
        }
    }
}

extension ChangeSet {
    /// Makes the tasks uncertain that are being sent by these processes, as far as the database knows. It may have lost the
    /// replies. One that is still to come is recorded like any late reply.
    fileprivate mutating func endSubmissions(of processes: Set<LeaseToken>, at now: Timestamp) throws {
        let tasks = try transaction.open(in: .submitting).map(\.task).filter { task in
            task.attempt?.lease.map(processes.contains) ?? false
        }
        try load(tasks.map(\.id))
        let reason = TaskFailure(
            code: TaskFailure.replyLost,
            message: "Another server of the database has taken over, which may have lost the reply.")
        for task in tasks {
            let event = ScheduledEvent(
                .submissionInterrupted(reason, isProbablyRefused: false), for: task.id, nextDueAt: now)
            _ = try apply(PreparedEvent(event), at: now)
        }
    }
}

extension DaemonEvent {
    /// A journal has an attempt of a task that the database does not have.
    fileprivate static func attemptWithoutTask(_ entry: JournalEntry, at now: Timestamp) -> DaemonEvent {
        DaemonEvent(
            at: now, kind: "attempt_without_task",
            detail: JSONObject([
                ("task", .string(entry.task.text)), ("attempt", .number(JSONNumber(entry.attempt.number))),
                ("account", .string(entry.account.text)), ("started_at", .string(entry.attempt.startedAt.rfc3339)),
            ]))
    }
}
