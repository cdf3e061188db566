import ProviderCatalog
import TaskEngine
import TaskModel
import TaskStore
import VerbatimJSON

/// Compares the database, the provider's records and the clients' replies, and reports violated invariants.
final class Audit {
    let world: World
    var view: DiskView
    var tasks: [DiskView.TaskLine] = []
    var givenUp: [DiskView.GivenUpLine] = []
    /// When the list for each given-up attempt was last read, by the provider's clock.
    var latestReadings: [DiskView.GivenUpLine.Attempt: Timestamp] = [:]
    /// Recorded late replies, as the acceptances that they prove.
    var lateAcceptances: [(task: String, id: String)] = []
    /// The version of the last read database; nil if it must be read.
    var version: Int64?
    var replays: [String: LogReplay] = [:]
    var outcomes: [String: (line: String, core: String, reopenings: Int)] = [:]
    /// The exchanges that retries have claimed.
    var claimedExchanges: Set<Int64> = []
    /// Whether a daemon died before it stored that a reply had arrived.
    var repliesAreAmbiguous = false
    /// When each task of the agent ended; nil for an open one.
    var agentEnds: [String: Int64?] = [:]
    /// A call of the agent that joined a task whose end it had been shown.
    var staleJoin: String?
    /// A key that belonged to two tasks.
    var secondTask: String?
    var lastSequence: Int64 = 0
    var lastStart: [String: (at: Int64, incarnation: Int, jumps: Int, steady: Int64)] = [:]
    var checkedSends = 0
    /// The attempt of each task whose request was sent last.
    var sentAttempts: [String: Int] = [:]
    /// Whether a second daemon holds the lease.
    var rivalHoldsLease = false
    var checkedPolls: [AccountName: Int] = [:]
    var checkedQuestions = 0
    /// The number of the current daemon incarnation. Distances are compared within one.
    var incarnation = 0
    var pollsBefore: [AccountName: Int] = [:]
    /// The number of acknowledged deliveries of each task.
    var acknowledged: [String: Int] = [:]
    var misjudged: String?
    /// The remote ids of tasks that were removed as a whole; empty for those without one.
    var gone: [String: String] = [:]
    /// The tasks whose keys were removed after their time.
    var forgotten: Set<String> = []
    /// By destination.
    private var notifications: [DestinationName: NotificationAudit] = [:]
    private var following = FollowerAudit()
    var money = MoneyMemory()
    /// When every account worked after the faults, in steady time; nil before that.
    var healedAt: Int64?
    /// Tasks whose details a person has asked to remove.
    var deleted: Set<String> = []

    init(world: World, view: DiskView) {
        self.world = world
        self.view = view
    }

    /// Records the daemon's reply to a delivery: accepted, or unknown token.
    func note(_ delivery: CallbackDriver.Delivery, wasTaken: Bool) {
        let sender = world.truth.record(delivery.record)?.sender?.text
        // Its token went with its details.
        let isGone =
            sender.map { gone[$0] != nil } ?? false
            || tasks.contains { $0.id == sender && $0.removedParts & RemovedDetails.Parts.request.rawValue != 0 }
        guard wasTaken == (delivery.kind != .forgery) || isGone && !wasTaken else {
            misjudged = "\(delivery.kind) for \(delivery.record) was \(wasTaken ? "taken" : "refused")"
            return
        }
        guard wasTaken, let task = world.truth.record(delivery.record)?.sender?.text else { return }
        acknowledged[task, default: 0] += 1
    }

    /// The files of all results when they were last read.
    private var files: [DiskView.FileLine] = []
    /// The digests of files that a client began to copy.
    var copied: Set<String> = []

    /// Reads by another connection from now on.
    func read(by view: DiskView) throws {
        try self.view.close()
        self.view = view
        version = nil
    }

    /// Starts a new daemon incarnation on the existing database.
    func begin(incarnation number: Int, view: DiskView) throws {
        try read(by: view)
        files = []
        incarnation = number
        rivalHoldsLease = false
        pollsBefore = world.truth.polls.mapValues(\.count)
    }

    /// Why the database wrongly counts as a copy.
    var falseAlarm: String?

    /// Reads the rows of a restored database without a check.
    func refresh() throws {
        let version = try view.version()
        guard version != self.version else { return }
        (tasks, _, givenUp) = try view.read(after: .max)
        self.version = version
    }

    /// Checks all invariants. `alsoCheck` gets the new lines of the log.
    func check(_ clients: Clients, alsoCheck: ([DiskView.EventLine]) throws -> Void = { _ in }) throws {
        if let falseAlarm { throw Violation(.onlyCopiesAreRestored, falseAlarm) }
        if let half = world.files.half { throw Violation(.savedIsWhole, "\(half) is linked and not whole") }
        let version = try view.version()
        var events: [DiskView.EventLine] = []
        if version != self.version {
            let before = (tasks: tasks, givenUp: givenUp)
            (tasks, events, givenUp) = try view.read(after: lastSequence)
            self.version = version
            try checkRemoval(since: before.tasks, before.givenUp)
            try checkTracked(since: before.tasks)
            if world.fetchesFiles { try checkFiles() }
            if world.keepsParts { try checkParts() }
            let readings = Dictionary(uniqueKeysWithValues: before.givenUp.map { ($0.attempt, $0.readings) })
            for given in givenUp where given.readings > readings[given.attempt, default: 0] {
                latestReadings[given.attempt] = world.clock.providerNow
            }
        }
        let rows = Dictionary(uniqueKeysWithValues: tasks.map { ($0.id, $0) })
        try replay(events, rows: rows, clients: clients)
        noteStarts(events)
        if world.money.isOn { try checkMoney(rows: rows) }
        if world.notifies { try checkNotifications(events) }
        if let follower = world.follower {
            following.note(events)
            try following.take(follower.takeMessages())
        }
        try checkClients(clients, rows: rows)
        try checkComparisons()
        try checkPayments(rows: rows)
        try checkOutcomes(clients)
        try checkPace()
        try checkAccounts(rows: rows)
        try checkDeliveries(rows: rows)
        try checkLateReplies(rows: rows)
        try checkPassed(clients)
        if let staleJoin { throw Violation(.shownEndsAreOver, staleJoin) }
        try alsoCheck(events)
    }

    private func checkNotifications(_ events: [DiskView.EventLine]) throws {
        for destination in world.destinations {
            let isOfPrograms = destination.name == .callbacks
            try check(
                &notifications[destination.name, default: NotificationAudit(types: destination.types)], of: destination,
                by: isOfPrograms ? world.callbackReceiver : world.receiver,
                // Every program of such a history wants callbacks.
                events.filter { event in !isOfPrograms || programs.contains(event.task) })
        }
    }

    /// The tasks of programs that use the gateway.
    private var programs: Set<String> { Set(tasks.filter { $0.program != nil }.map(\.id)) }

    private func check(
        _ audit: inout NotificationAudit, of destination: Destination, by receiver: SimulatedReceiver,
        _ events: [DiskView.EventLine]
    ) throws {
        // Nothing is sent about a file that is fetched after the details of its task were removed.
        let stubs = Set(tasks.filter(\.isStub).map(\.id))
        audit.note(events.filter { !stubs.contains($0.task) })
        let stored = try view.notifications(to: destination)
        let detailed = tasks.filter { $0.removedParts & RemovedDetails.Parts.request.rawValue == 0 }
        audit.note(place: stored.place, dead: stored.dead, detailed: Set(detailed.map(\.id)))
        try audit.check(receiver, exempt: deleted)
        let logged = Set(tasks.filter { $0.removedParts & RemovedDetails.Parts.events.rawValue == 0 }.map(\.id))
        // A line may follow the removal of those before it.
        let lost = audit.undelivered(exempt: deleted.union(logged)) { (try? view.hasLine($0)) == false }
        if let words = lost {
            throw Violation(.removalIsSafe, "\(words), and the log of the task was removed")
        }
    }

    /// An event that its receiver has not got, in words; nil if there is none.
    var undelivered: String? {
        notifications.values.lazy.compactMap { $0.undelivered(exempt: self.deleted) }.first
    }

    // MARK: Late replies and records

    /// Records that a late reply was stored.
    func note(_ late: LateReply) {
        guard let body = try? JSONValue(parsing: late.reply.body, limits: .lenient), late.attempt != nil,
            late.reply.status == 200, let id = body["task_id"]?.string
        else { return }
        lateAcceptances.append((late.task.text, id))
    }

    private func checkLateReplies(rows: [String: DiskView.TaskLine]) throws {
        for (task, id) in lateAcceptances {
            guard let row = rows[task], row.state != "submitting", row.remoteID != id,
                !(replays[task]?.lateIDs.contains(id) ?? false), !tasks.contains(where: { $0.remoteID == id })
            else { continue }
            throw Violation(
                .replyIsKept, "\(task) is \(row.state) as \(row.remoteID ?? "nothing"), and was accepted as \(id)")
        }
    }

    // MARK: Leases

    /// Whether an attempt has been started whose request was not sent yet. A lease does not end then: its holder stops
    /// starting work in time before it expires.
    var hasUnsentAttempt: Bool {
        tasks.contains { $0.state == "submitting" && sentAttempts[$0.id] != $0.attempts }
    }

    /// Checks that a second daemon declared lost only what no living daemon was sending.
    func checkLiving(_ sending: [DiskView.TaskLine]) throws {
        for row in sending where row.isLeased {
            let state = tasks.first { $0.id == row.id }?.state ?? "gone"
            guard state == row.state else { throw Violation(.livingIsNotLost, "\(row.id) is \(state)") }
        }
    }

    /// Whether a given-up attempt still awaits its first reading.
    var awaitsFirstReading: Bool {
        givenUp.contains {
            $0.readings == 0 && $0.nextReadingAt != nil && !ProviderWords.unlisted.contains($0.service)
        }
    }

    /// Checks that each late record was reported. It must have been clearly listed, with a control, at the last reading
    /// of its list.
    func checkLateRecords() throws {
        guard world.clock.jumps == 0, !world.wasMoved, world.habit == .verbatim || world.habit == .pagesInTens else {
            return
        }
        let known = Set(tasks.compactMap(\.remoteID)).union(givenUp.compactMap(\.remoteID))
        for given in givenUp where given.remoteID == nil {
            // The reading took a while. The control's reply took up to the deadline of a submission, besides.
            guard let read = latestReadings[given.attempt], let row = tasks.first(where: { $0.id == given.task }),
                hasControl(for: row, at: read - .seconds(180))
            else { continue }
            let its = world.truth.records.filter {
                $0.sender?.text == given.task && !known.contains($0.id) && $0.isListed(at: read - .seconds(100))
                    && !$0.isForgotten(at: world.clock.providerNow)
            }
            let request = request(of: given.task)
            let hasRival = givenUp.contains {
                $0.service == given.service && $0.task != given.task && $0.remoteID == nil
                    && self.request(of: $0.task) == request
            }
            if let record = its.first, !hasRival {
                throw Violation(.lateIsTold, "\(given.task): the late record \(record.id) is not in the log")
            }
        }
    }

    /// The request of a task as it was sent, without members that Pollux adds; nil if it never was.
    private func request(of task: String) -> String? {
        guard var body = world.truth.sent.first(where: { $0.sender?.text == task })?.body else { return nil }
        for name in ["async", "callback_url", "task_id"] { body[name] = nil }
        return JSONValue.object(body).text
    }

    /// Whether a user or a policy resubmitted that task.
    func wasResubmitted(_ id: String) -> Bool { replays[id].map { $0.resubmissions > 0 } ?? false }

    // MARK: Files

    private func checkFiles() throws {
        let before = files
        files = try view.files()
        for file in files where file.state == "saved" && !world.files.hasWhole(file.digest) {
            throw Violation(.savedIsWhole, "\(file.digest) is saved, and there is no whole file")
        }
        let states = Dictionary(files.map { ([$0.task, $0.ordinal], $0.state) }) { first, _ in first }
        for file in before where file.state == "saved" && !copied.contains(file.digest) {
            guard let state = states[[file.task, file.ordinal]], state != "saved" else { continue }
            let isOld = world.retention.artefacts.map { span in
                world.clock.jumps > 0 || Timestamp(milliseconds: file.savedAt) + span <= world.clock.now()
            }
            guard try isOld ?? false || view.isStub(file.task) else {
                throw Violation(.filesStay, "\(file.digest) is \(state), and no client has had it")
            }
        }
    }

    private func checkParts() throws {
        for digest in try view.parts() where !world.parts.isSynced(digest) {
            throw Violation(.partIsSynced, "a record has \(digest), whose file is missing or not synced")
        }
    }

    /// The digests of files that no record has.
    var unusedParts: [String] {
        get throws {
            guard world.keepsParts else { return [] }
            let used = try view.parts()
            return world.parts.digests.filter { !used.contains($0) }
        }
    }

    /// A line of the log that the follower has not got; nil if it has all.
    var unfollowed: Int64? { world.follower == nil ? nil : following.missing }

    /// The digests of the files that are on disk.
    var savedFiles: [String] {
        get throws { world.fetchesFiles ? files.filter { $0.state == "saved" }.map(\.digest) : [] }
    }

    /// Succeeded tasks whose files are not settled.
    var tasksWithoutFiles: [String] { get throws { world.fetchesFiles ? try view.tasksWithoutFiles() : [] } }

    // MARK: Retention

    /// Checks that only removable details were removed, and that the rest of each task exists.
    private func checkRemoval(
        since before: [DiskView.TaskLine], _ givenUpBefore: [DiskView.GivenUpLine]
    ) throws {
        let rows = Dictionary(uniqueKeysWithValues: tasks.map { ($0.id, $0) })
        for old in before where rows[old.id] == nil && old.isStub {
            try checkEnd(of: old, among: before, givenUpBefore)
            gone[old.id] = old.remoteID ?? ""
            if !old.hasKey || isOver(old, world.retention.keySpan ?? world.retention.stubSpan) {
                forgotten.insert(old.id)
            }
        }
        for old in before where old.removedParts != 0 && gone[old.id] == nil {
            guard let row = rows[old.id], old.remoteID == nil || row.remoteID == old.remoteID else {
                throw Violation(.stubStays, "\(old.id) has no details and lost its row or remote id")
            }
            if old.hasKey, !row.hasKey, isOver(old, world.retention.keySpan) { forgotten.insert(old.id) }
        }
        for old in before {
            guard let row = rows[old.id], row.removedParts > old.removedParts else { continue }
            guard row.hasEnded, !old.isPinned else {
                throw Violation(.removalIsSafe, "\(row.id) is \(row.state)\(old.isPinned ? " and pinned" : "")")
            }
            if givenUpBefore.contains(where: { $0.task == row.id && $0.nextReadingAt != nil }) {
                throw Violation(.removalIsSafe, "an attempt of \(row.id) is not settled")
            }
        }
    }

    /// Checks that a task without details was removed after its time, and that no search needs it. A task that was removed
    /// too early with its key shows when a program repeats the key.
    private func checkEnd(
        of old: DiskView.TaskLine, among before: [DiskView.TaskLine], _ givenUpBefore: [DiskView.GivenUpLine]
    ) throws {
        guard !old.hasKey || isOver(old, world.retention.keySpan) else { return }
        guard isOver(old, world.retention.stubSpan), !old.isPinned else {
            throw Violation(.stubStays, "\(old.id) was removed before its time")
        }
        // Within a day, and with any clock.
        guard world.clock.steady < 86_400_000, world.clock.jumps == 0 else { return }
        let lost = before.first { $0.service == old.service && ["submitting", "uncertain"].contains($0.state) }
        let other = givenUpBefore.first { $0.service == old.service && $0.remoteID == nil }
        if let lost = lost?.id ?? other?.task {
            throw Violation(.removalIsSafe, "\(old.id) was removed, and \(lost) may now take its record")
        }
    }

    /// Whether a task ended that long ago, or may have by a wrong clock.
    private func isOver(_ row: DiskView.TaskLine, _ span: Duration?) -> Bool {
        guard let span, let endedAt = row.endedAt else { return false }
        return world.clock.jumps > 0 || Timestamp(milliseconds: endedAt) + span <= world.clock.now()
    }

    /// Whether the key of that task was removed after its time.
    func isForgotten(_ id: String) -> Bool { forgotten.contains(id) }

    // MARK: Replies to clients

    private func checkClients(_ clients: Clients, rows: [String: DiskView.TaskLine]) throws {
        if let secondTask { throw Violation(.oneTaskPerIntent, secondTask) }
        if let lost = clients.promised.sorted().first(where: { rows[$0] == nil && gone[$0] == nil }) {
            throw Violation(.acceptedIsNeverLost, "\(lost) was acknowledged and is missing")
        }
        var byIntent: [Int: [String]] = [:]
        for row in tasks where !isForgotten(row.id) {
            if let intent = row.intent { byIntent[intent, default: []].append(row.id) }
        }
        for intent in clients.intents {
            let ids = byIntent[intent.number] ?? []
            guard ids.count <= 1 else {
                throw Violation(.oneTaskPerIntent, "intent \(intent.number) became \(ids.joined(separator: ", "))")
            }
            if let answer = intent.answered, !isForgotten(answer.text), gone[answer.text] == nil, ids != [answer.text] {
                throw Violation(.acceptedIsNeverLost, "intent \(intent.number) was answered with \(answer), not \(ids)")
            }
            if intent.refusals > 0, intent.answered == nil, intent.asking + intent.unanswered == 0, !ids.isEmpty {
                throw Violation(
                    .errorMeansNothingStored, "intent \(intent.number) was rejected and is stored as \(ids)")
            }
        }
        for row in tasks where row.attempts > 0 && row.resolution != "adopted" && world.clock.jumps == 0 {
            guard let id = row.remoteID, gone.values.contains(id), world.truth.record(id)?.sender?.text != row.id
            else { continue }
            throw Violation(.oneOwner, "\(row.id) has \(id), the record of a removed task")
        }
        let owned = tasks.filter {
            // A user may track the remote id of an own task that becomes known later.
            $0.failureCode != "remote_task_not_found" && $0.attempts > 0
        }.compactMap { row in
            row.remoteID.map { "\(row.service) \($0)" }
        }
        if owned.count > Set(owned).count {
            let twice = Set(owned.filter { id in owned.count { $0 == id } > 1 }).sorted()
            throw Violation(.oneOwner, twice.joined(separator: ", "))
        }
    }

    // MARK: Pace

    /// Checks the time span of several consecutive queries against the rate limit, with a tolerance for concurrent
    /// ones.
    ///
    /// With more queries the tolerance matters less, but few histories have long bursts.
    private func checkPace() throws {
        let together = 8
        for (account, polls) in world.truth.polls where polls.count > checkedPolls[account] ?? 0 {
            checkedPolls[account] = polls.count
            let before = pollsBefore[account] ?? 0
            for many in [20, 40, 80] where polls.count >= before + many && world.clock.jumps == 0 {
                let span = polls[polls.count - 1] - polls[polls.count - many]
                let least = Int64(many - together) * 1_000 / ProviderWords.pollsPerSecond
                guard span >= least else { throw Violation(.pollRate, "\(many) queries within \(span) ms") }
            }
        }
    }
}
