import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

/// Compares the database, the provider's records and the clients' replies, and reports violated invariants.
final class Audit {
    private let world: World
    private var view: DiskView
    private(set) var tasks: [DiskView.TaskLine] = []
    private(set) var givenUp: [DiskView.GivenUpLine] = []
    /// Recorded late replies, as the acceptances that they prove.
    private var lateAcceptances: [(task: String, id: String)] = []
    /// The version of the last read database; nil if it must be read.
    private var version: Int?
    private var replays: [String: LogReplay] = [:]
    private var outcomes: [String: (line: String, core: String, reopenings: Int)] = [:]
    /// A key that named two tasks.
    var secondTask: String?
    private var lastSequence: Int64 = 0
    private var lastStart: [String: (at: Int64, incarnation: Int, jumps: Int, steady: Int64)] = [:]
    private var checkedSends = 0
    /// The attempt of each task whose request went out last.
    private var sentAttempts: [String: Int] = [:]
    /// Whether a second daemon holds the lease.
    var rivalHoldsLease = false
    private var checkedPolls = 0
    /// The number of the current daemon incarnation. Distances are compared within one.
    private var incarnation = 0
    private var pollsBefore = 0
    /// The number of acknowledged deliveries of each task.
    private var acknowledged: [String: Int] = [:]
    private var misjudged: String?
    private var notifications = NotificationAudit()
    private var deadLetters: Set<Int64> = []
    /// Tasks whose details a person has asked to remove.
    var deleted: Set<String> = []

    init(world: World, path: String) throws {
        self.world = world
        view = try DiskView(path: path)
    }

    /// Records the daemon's reply to a delivery: accepted, or unknown token.
    func note(_ delivery: CallbackDriver.Delivery, wasTaken: Bool) {
        let sender = world.truth.record(delivery.record)?.sender?.text
        // Its token went with its details.
        let isGone = tasks.contains { $0.id == sender && $0.removedParts & RemovedDetails.Parts.request.rawValue != 0 }
        guard wasTaken == (delivery.kind != .forgery) || isGone && !wasTaken else {
            misjudged = "\(delivery.kind) for \(delivery.record) was \(wasTaken ? "taken" : "refused")"
            return
        }
        guard wasTaken, let task = world.truth.record(delivery.record)?.sender?.text else { return }
        acknowledged[task, default: 0] += 1
    }

    /// Starts a new daemon incarnation on the existing database.
    func begin(incarnation number: Int, path: String) throws {
        try view.close()
        view = try DiskView(path: path)
        version = nil
        incarnation = number
        rivalHoldsLease = false
        pollsBefore = world.truth.polls.count
    }

    /// Why a database was taken for a copy that is none.
    var falseAlarm: String?

    /// Reads the rows without a check, for a database that was put back.
    func refresh() throws {
        let version = try view.version()
        guard version != self.version else { return }
        (tasks, _, givenUp) = try view.read(after: .max)
        self.version = version
    }

    /// Checks all invariants.
    func check(_ clients: Clients) throws {
        if let falseAlarm { throw Violation(.onlyCopiesAreRestored, falseAlarm) }
        let version = try view.version()
        var events: [DiskView.EventLine] = []
        if version != self.version {
            let before = (tasks: tasks, givenUp: givenUp)
            (tasks, events, givenUp) = try view.read(after: lastSequence)
            self.version = version
            try checkRemoval(since: before.tasks, before.givenUp)
        }
        let rows = Dictionary(uniqueKeysWithValues: tasks.map { ($0.id, $0) })
        try replay(events, rows: rows, clients: clients)
        if world.notifies { try checkNotifications(events) }
        try checkClients(clients, rows: rows)
        try checkPayments(rows: rows)
        try checkOutcomes(clients)
        try checkPace()
        try checkDeliveries(rows: rows)
        try checkLateReplies(rows: rows)
    }

    private func checkNotifications(_ events: [DiskView.EventLine]) throws {
        notifications.note(events)
        let stored = try view.notifications()
        notifications.note(place: stored.place)
        deadLetters = stored.dead
        try notifications.check(world.receiver, exempt: deleted)
    }

    /// An event that no receiver has got, in words; nil if there is none.
    var undelivered: String? {
        world.notifies ? notifications.undelivered(dead: deadLetters, exempt: deleted) : nil
    }

    // MARK: The log

    private func replay(_ events: [DiskView.EventLine], rows: [String: DiskView.TaskLine], clients: Clients) throws {
        for event in events {
            guard event.sequence == lastSequence + 1 else {
                throw Violation(.eventsInOrder, "event \(lastSequence + 1) is missing")
            }
            lastSequence = event.sequence
            world.trace.note("log \(event.sequence) \(event.task) \(event.kind) to \(event.to)")
            if event.task.isEmpty, ["clock_set", "start_not_checked"].contains(event.kind) { continue }
            if let problem = replays[event.task, default: LogReplay()].take(event, atSteady: world.clock.steady) {
                throw Violation(.eventsInOrder, "\(event.task): \(problem)")
            }
            guard let row = rows[event.task], let replay = replays[event.task] else { continue }
            if event.kind == "submission_started" { try checkStart(event, of: row) }
            try checkDecision(event, of: row, replay, clients: clients)
        }
        for row in rows.values {
            guard let replay = replays[row.id] else { throw Violation(.eventsInOrder, "\(row.id) has no event") }
            guard replay.state == row.state else {
                throw Violation(.eventsInOrder, "\(row.id) is \(row.state), its log says \(replay.state ?? "nothing")")
            }
            guard replay.attempts == row.attempts else {
                throw Violation(.eventsInOrder, "\(row.id) has \(row.attempts) attempts, its log \(replay.attempts)")
            }
            guard row.state != "running" || replay.remoteID == row.remoteID else {
                throw Violation(.eventsInOrder, "\(row.id) runs as \(row.remoteID ?? "nothing"), its log differs")
            }
        }
        let lost = replays.keys.sorted().first { rows[$0] == nil }
        if let lost { throw Violation(.acceptedIsNeverLost, "the row of \(lost) is gone") }
    }

    /// Checks that a new attempt respects all limits.
    private func checkStart(_ event: DiskView.EventLine, of row: DiskView.TaskLine) throws {
        guard !rivalHoldsLease else {
            throw Violation(.leaseDecides, "\(row.id) was started under the lease of another daemon")
        }
        try checkResubmission(of: row)
        // Tracked, adopted and reopened tasks are in flight without having taken a slot.
        let inFlight = tasks.count { $0.service == row.service && $0.isInFlight && replays[$0.id]?.wasSent ?? false }
        if let cap = ProviderWords.inFlightCaps[row.service], inFlight > cap {
            throw Violation(.inFlightCap, "\(inFlight) tasks of \(row.service) are in flight, and \(cap) may be")
        }
        let jumps = world.clock.jumps
        if let gap = ProviderWords.submissionGaps[row.service], let last = lastStart[row.service],
            last.incarnation == incarnation, last.jumps == jumps, 0..<gap ~= event.at - last.at,
            // A commit can lag behind its decision, so a later decision may be committed first.
            world.clock.steady - last.steady < gap
        {
            throw Violation(.submissionRate, "two starts of \(row.service) within \(event.at - last.at) ms")
        }
        lastStart[row.service] = (event.at, incarnation, jumps, world.clock.steady)
    }

    /// Checks who resolved a lost submission, and whether they may.
    private func checkDecision(
        _ event: DiskView.EventLine, of row: DiskView.TaskLine, _ replay: LogReplay, clients: Clients
    ) throws {
        switch event.resolution {
        case "given_up_by_policy":
            let span = world.clock.steady - (replay.uncertainSince ?? 0)
            guard row.onUncertain == "fail" else {
                throw Violation(.onlyWhatWasAsked, "\(row.id): given up under \(row.onUncertain)")
            }
            guard span >= 600_000 || ProviderWords.unlisted.contains(row.service) || world.clock.jumps > 0 else {
                throw Violation(.absenceIsProven, "\(row.id): given up after \(span) ms")
            }
        case "resubmitted_by_policy", "refusal_confirmed":
            if event.resolution == "resubmitted_by_policy", row.onUncertain != "resubmit_if_absent" {
                throw Violation(.onlyWhatWasAsked, "\(row.id): \(event.resolution ?? "") under \(row.onUncertain)")
            }
            let since = replay.uncertainSince ?? 0
            let readings = world.truth.readings.count { $0.service == row.service && $0.steady >= since }
            let span = world.clock.steady - since
            guard readings >= 3, span >= 120_000 || world.clock.jumps > 0 else {
                throw Violation(.absenceIsProven, "\(row.id): \(readings) readings over \(span) ms")
            }
            try checkAbsence(of: row, since: replay.startedAt)
        case "resubmitted":
            guard replay.personalResubmissions <= clients.resubmissions[row.id, default: 0] else {
                throw Violation(.onlyWhatWasAsked, "nobody resubmitted \(row.id)")
            }
        default: break
        }
        if event.kind == "expired", let deadline = row.deadline.map(Timestamp.init(milliseconds:)) {
            let decidedAt = Timestamp(milliseconds: event.at)
            guard world.clock.wasOver(deadline, whenShowing: decidedAt) else {
                throw Violation(.deadlineIsOver, "\(row.id) expired at \(decidedAt), by a clock that was just set")
            }
        }
        if event.kind == "cancelled", !clients.cancelled.contains(row.id) {
            throw Violation(.onlyWhatWasAsked, "nobody cancelled \(row.id)")
        }
        if event.kind == "reopened", !clients.reopened.contains(row.id) {
            throw Violation(.onlyWhatWasAsked, "nobody reopened \(row.id)")
        }
    }

    /// Checks that no visible record was treated as absent.
    private func checkAbsence(of row: DiskView.TaskLine, since start: Int64?) throws {
        guard world.clock.jumps == 0, let started = start,
            let read = world.truth.readings.last(where: { $0.service == row.service })?.steady
        else { return }
        func point(_ steady: Int64) -> Timestamp {
            world.clock.providerNow - .milliseconds(world.clock.steady - steady)
        }
        let owned = ownedBySubmission
        let its = world.truth.records.first { record in
            record.sender?.text == row.id && !owned.contains(record.id)
                && (record.isListed(at: point(read)) && record.createdAt <= point(read)
                    || world.habit == .hidesEdits && record.operation == "edit")
                // Records of earlier attempts are the responsibility of the resubmission.
                && record.createdAt >= point(started)
        }
        if let its { throw Violation(.absenceIsProven, "\(row.id) is \(its.id), which the list showed") }
    }

    /// Checks that the list was read again, without the record, before a policy's resubmission.
    private func checkResubmission(of row: DiskView.TaskLine) throws {
        guard let replay = replays[row.id], let decided = replay.latestResubmission, !decided.isPersons,
            replay.earlierStartedAt.map({ $0 <= decided.at }) ?? false
        else { return }
        let isRead = world.truth.readings.contains { $0.service == row.service && $0.steady > decided.at }
        guard isRead || world.clock.jumps > 0 else {
            throw Violation(.absenceIsProven, "\(row.id) is sent again, and was not looked for since that was decided")
        }
        try checkAbsence(of: row, since: replay.earlierStartedAt)
    }

    /// The remote ids of tasks whose acceptance Pollux saw, without ids that a user supplied.
    var ownedBySubmission: Set<String> {
        Set(tasks.filter { $0.attempts > 0 && $0.resolution != "adopted" }.compactMap(\.remoteID))
            .union(givenUp.compactMap(\.remoteID))
    }

    /// Whether the provider lists an accepted task of that endpoint with the most members of any request.
    func hasControl(for row: DiskView.TaskLine) -> Bool {
        let now = world.clock.providerNow
        return tasks.contains { other in
            guard other.id != row.id, other.endpoint == row.endpoint, other.attempts > 0, other.removedParts == 0,
                other.failureCode != "remote_task_not_found",
                [nil, "called_back", "resubmitted", "resubmitted_by_policy"].contains(other.resolution),
                let record = other.remoteID.flatMap(world.truth.record)
            else { return false }
            return record.isListed(at: now) && record.request["n"] != nil
                && (!world.usesCallbacks || record.request["callback_url"] != nil)
        }
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

    /// Whether an attempt has been started whose request has not gone out. A lease does not end then: its holder stops
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

    /// Checks that every clearly listed late record has been reported.
    func checkLateRecords() throws {
        guard world.clock.jumps == 0, world.habit == .verbatim || world.habit == .pagesInTens else { return }
        let known = Set(tasks.compactMap(\.remoteID)).union(givenUp.compactMap(\.remoteID))
        let now = world.clock.providerNow
        for given in givenUp where given.readings > 0 && given.remoteID == nil {
            guard let row = tasks.first(where: { $0.id == given.task }), hasControl(for: row) else { continue }
            let its = world.truth.records.filter {
                $0.sender?.text == given.task && !known.contains($0.id) && !$0.isForgotten(at: now)
                    && $0.listedFrom + .seconds(400) <= now
            }
            let rivals = givenUp.contains { $0.service == given.service && $0.task != given.task && $0.remoteID == nil }
            if let record = its.first, !rivals {
                throw Violation(.lateIsTold, "\(given.task): \(record.id) has turned up, and nobody is told")
            }
        }
    }

    /// Whether a user or a policy resubmitted that task.
    func wasResubmitted(_ id: String) -> Bool { replays[id].map { $0.resubmissions > 0 } ?? false }

    // MARK: Retention

    /// Checks that only what may be removed was removed, and that the rest of each task is there.
    private func checkRemoval(
        since before: [DiskView.TaskLine], _ givenUpBefore: [DiskView.GivenUpLine]
    ) throws {
        let rows = Dictionary(uniqueKeysWithValues: tasks.map { ($0.id, $0) })
        for old in before where old.removedParts != 0 {
            guard let row = rows[old.id], old.remoteID == nil || row.remoteID == old.remoteID else {
                throw Violation(.stubStays, "\(old.id) lost its details, and now its row or remote id")
            }
        }
        for old in before {
            guard let row = rows[old.id], row.removedParts > old.removedParts else { continue }
            guard row.hasEnded, !old.isPinned else {
                throw Violation(.removalIsSafe, "\(row.id) is \(row.state)\(old.isPinned ? " and pinned" : "")")
            }
            if givenUpBefore.contains(where: { $0.task == row.id && $0.nextReadingAt != nil }) {
                throw Violation(.removalIsSafe, "an attempt of \(row.id) is still looked for")
            }
        }
    }

    // MARK: Replies to clients

    private func checkClients(_ clients: Clients, rows: [String: DiskView.TaskLine]) throws {
        if let secondTask { throw Violation(.oneTaskPerIntent, secondTask) }
        if let lost = clients.promised.sorted().first(where: { rows[$0] == nil }) {
            throw Violation(.acceptedIsNeverLost, "\(lost) was promised and is not there")
        }
        var byIntent: [Int: [String]] = [:]
        for row in tasks { if let intent = row.intent { byIntent[intent, default: []].append(row.id) } }
        for intent in clients.intents {
            let ids = byIntent[intent.number] ?? []
            guard ids.count <= 1 else {
                throw Violation(.oneTaskPerIntent, "intent \(intent.number) became \(ids.joined(separator: ", "))")
            }
            if let answer = intent.answered, ids != [answer.text] {
                throw Violation(.acceptedIsNeverLost, "intent \(intent.number) was answered with \(answer), not \(ids)")
            }
            if intent.refusals > 0, intent.answered == nil, intent.asking + intent.unanswered == 0, !ids.isEmpty {
                throw Violation(.errorMeansNothingStored, "intent \(intent.number) was refused, and is \(ids)")
            }
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

    // MARK: Money

    private func checkPayments(rows: [String: DiskView.TaskLine]) throws {
        let sent = world.truth.sent
        for request in sent[checkedSends...] {
            guard let sender = request.sender?.text, let row = rows[sender] else {
                throw Violation(.intentBeforeFirstByte, "a paid request went out for nobody")
            }
            let sends = sent.count { $0.sender?.text == sender }
            guard row.state == "submitting", sends <= row.attempts else {
                throw Violation(
                    sends > row.attempts && row.attempts > 0 ? .billedOnce : .intentBeforeFirstByte,
                    "\(sender) is \(row.state) with \(row.attempts) attempts, and \(sends) paid requests went out")
            }
        }
        for case let sender? in sent[checkedSends...].map({ $0.sender?.text }) {
            sentAttempts[sender] = rows[sender]?.attempts
        }
        checkedSends = sent.count
        var bills: [String: Int] = [:]
        for record in world.truth.records { if let sender = record.sender { bills[sender.text, default: 0] += 1 } }
        for (sender, count) in bills where count > 1 {
            let allowed = 1 + (replays[sender]?.resubmissions ?? 0)
            guard count <= allowed else {
                throw Violation(.billedOnce, "\(sender) was billed \(count) times, and \(allowed) were allowed")
            }
        }
    }

    // MARK: Deliveries

    private func checkDeliveries(rows: [String: DiskView.TaskLine]) throws {
        if let misjudged { throw Violation(.tokenDecides, misjudged) }
        for (task, count) in acknowledged {
            // Ended tasks record only contradicting deliveries.
            guard let row = rows[task], !row.hasEnded, row.callbacks < count else { continue }
            throw Violation(.deliveryIsKept, "\(task) has \(row.callbacks) deliveries, and \(count) were acknowledged")
        }
    }

    // MARK: Outcomes

    private func checkOutcomes(_ clients: Clients) throws {
        for row in tasks where row.hasEnded {
            let reopenings = replays[row.id]?.reopenings ?? 0
            if let known = outcomes[row.id], known.reopenings == reopenings {
                guard row.removedParts == 0 ? known.line == row.outcome : known.core == row.core else {
                    throw Violation(
                        row.removedParts == 0 ? .outcomeStands : .stubStays,
                        "\(row.id) was \(known.line) and is \(row.outcome)")
                }
                continue
            }
            outcomes[row.id] = (row.outcome, row.core, reopenings)
            if let problem = problem(withOutcomeOf: row, clients) {
                throw Violation(.outcomeIsTrue, "\(row.id) \(row.state) \(row.failureCode ?? ""): \(problem)")
            }
        }
        for (id, known) in outcomes {
            guard let row = tasks.first(where: { $0.id == id }), !row.hasEnded else { continue }
            guard (replays[id]?.reopenings ?? 0) > known.reopenings else {
                throw Violation(.outcomeStands, "\(id) had ended and is \(row.state)")
            }
        }
    }

    private func problem(withOutcomeOf row: DiskView.TaskLine, _ clients: Clients) -> String? {
        let now = world.clock.providerNow
        let record = row.remoteID.flatMap { id in world.truth.record(id) }
        switch (row.state, row.failureCode) {
        case ("succeeded", _), ("failed", "forbidden"):
            // If a user tracks its id, a task can have its result from a late reply without an id.
            guard let record = record ?? world.truth.records.first(where: { $0.sender?.text == row.id }) else {
                return "the provider has no \(row.remoteID ?? "id") of it"
            }
            guard record.ending.rawState == row.state, record.isFinished(at: now) else { return "\(record.id) differs" }
            // Records do not contain the operation. A given-up task's record may match any equal request.
            let isAbandoned = record.sender.map { self.isAbandoned($0.text) } ?? false
            if record.sender == nil, record.request["mode"] != nil, row.attempts > 0, row.resolution != "adopted" {
                return "\(record.id) is a stranger's, who asked for more"
            }
            guard "\(record.service)/\(record.operation)" == row.endpoint || isAbandoned else {
                return "\(record.id) is another kind"
            }
            let wanted = clients.request(ofIntent: row.intent)
            let isIt = wanted.map { $0.isCovered(by: record.request) } ?? true
            return isIt ? nil : "\(record.id) was asked for differently"
        case ("failed", "remote_task_not_found"):
            return record.map { $0.isForgotten(at: now) } ?? true ? nil : "the provider has it"
        case ("failed", "submission_lost"):
            return row.resolution == "given_up" || row.resolution == "given_up_by_policy" ? nil : "nobody gave it up"
        case ("failed", "api_error"):
            return row.resolution == "refusal_confirmed" ? nil : "nothing confirms it"
        case ("failed", "bad_request"), ("failed", "used_up"):
            return world.truth.refused.contains { $0.text == row.id } ? nil : "the provider never refused it"
        case ("failed", let code): return "no reason to fail: \(code ?? "none")"
        case ("expired", _): return row.deadline == nil ? "it had no deadline" : nil
        default: return nil
        }
    }

    /// Checks that each success shows the results that the dialect names for its record, from rows of the store.
    func checkResults(in store: TaskStore) async throws {
        for row in tasks
        where row.state == "succeeded" && row.removedParts & RemovedDetails.Parts.response.rawValue == 0 {
            guard let id = TaskID(row.id), let stored = try await store.taskWithPayload(id),
                let record = stored.payload.response, let profile = world.catalog.endpoint(stored.task.endpoint)
            else { throw Violation(.resultsAreStored, "\(row.id) has no record") }
            let named = profile.dialect.results(in: record, of: stored.task.remoteID)
            guard let shown = stored.payload.results, shown == named, !shown.isEmpty else {
                let values = stored.payload.results.map { $0.map(\.value.text) } ?? []
                throw Violation(
                    .resultsAreStored, "\(row.id) shows \(values), and its record has \(named.map(\.value.text))")
            }
        }
    }

    /// Whether a user or a policy gave up the paid result.
    private func isAbandoned(_ id: String) -> Bool {
        let wasGivenUp = tasks.first { $0.id == id }?.resolution?.hasPrefix("given_up") ?? false
        return wasGivenUp || wasResubmitted(id)
    }

    // MARK: Pace

    /// Checks the time span of several consecutive queries against the rate limit, with a tolerance for concurrent
    /// ones.
    ///
    /// With more queries the tolerance matters less, but few histories have long bursts.
    private func checkPace() throws {
        let together = 8
        let polls = world.truth.polls
        guard polls.count > checkedPolls else { return }
        checkedPolls = polls.count
        for many in [20, 40, 80] where polls.count >= pollsBefore + many && world.clock.jumps == 0 {
            let span = polls[polls.count - 1].steady - polls[polls.count - many].steady
            let least = Int64(many - together) * 1_000 / ProviderWords.pollsPerSecond
            guard span >= least else { throw Violation(.pollRate, "\(many) queries within \(span) ms") }
        }
    }
}

extension ProviderTruth.Ending {
    fileprivate var rawState: String {
        switch self {
        case .succeeded: "succeeded"
        case .failed: "failed"
        }
    }
}
