import ProviderCatalog
import TaskModel
import VerbatimJSON

/// Looks at the disk, the provider's books and what people were told, and says what does not hold.
final class Audit {
    private let world: World
    private var view: DiskView
    private(set) var tasks: [DiskView.TaskLine] = []
    private(set) var givenUp: [DiskView.GivenUpLine] = []
    /// Late replies that a daemon has recorded, by what they accepted.
    private var lateAcceptances: [(task: String, id: String)] = []
    /// Of the disk when it was last read; nil where it has to be read.
    private var version: Int?
    private var replays: [String: LogReplay] = [:]
    private var outcomes: [String: (line: String, reopenings: Int)] = [:]
    private var lastSequence: Int64 = 0
    private var lastStart: [String: (at: Int64, life: Int, jumps: Int, steady: Int64)] = [:]
    private var checkedSends = 0
    private var checkedPolls = 0
    /// Which life of the daemon it is; distances are kept within one.
    private var life = 0
    private var pollsBefore = 0
    /// Deliveries that were acknowledged, by task.
    private var acknowledged: [String: Int] = [:]
    private var misjudged: String?

    init(world: World, path: String) throws {
        self.world = world
        view = try DiskView(path: path)
    }

    /// What a daemon said to a delivery: that it took it, or that its token is nobody's.
    func note(_ delivery: Courier.Delivery, wasTaken: Bool) {
        guard wasTaken == (delivery.kind != .forgery) else {
            misjudged = "\(delivery.kind) for \(delivery.record) was \(wasTaken ? "taken" : "refused")"
            return
        }
        guard wasTaken, let task = world.truth.record(delivery.record)?.sender?.text else { return }
        acknowledged[task, default: 0] += 1
    }

    /// A daemon starts on what the last one left.
    func begin(life: Int, path: String) throws {
        try view.close()
        view = try DiskView(path: path)
        version = nil
        self.life = life
        pollsBefore = world.truth.polls.count
    }

    /// Everything that must hold at every moment.
    func check(_ people: People) throws {
        let version = try view.version()
        var events: [DiskView.EventLine] = []
        if version != self.version {
            (tasks, events, givenUp) = try view.read(after: lastSequence)
            self.version = version
        }
        let rows = Dictionary(uniqueKeysWithValues: tasks.map { ($0.id, $0) })
        try replay(events, rows: rows, people: people)
        try checkPeople(people, rows: rows)
        try checkPayments(rows: rows)
        try checkOutcomes(people)
        try checkPace()
        try checkDeliveries(rows: rows)
        try checkLateReplies(rows: rows)
    }

    // MARK: The log

    private func replay(_ events: [DiskView.EventLine], rows: [String: DiskView.TaskLine], people: People) throws {
        for event in events {
            guard event.sequence == lastSequence + 1 else {
                throw Violation(.eventsInOrder, "event \(lastSequence + 1) is missing")
            }
            lastSequence = event.sequence
            world.trace.note("log \(event.sequence) \(event.task) \(event.kind) to \(event.to)")
            if event.task.isEmpty, event.kind == "clock_set" { continue }
            if let problem = replays[event.task, default: LogReplay()].take(event, atSteady: world.clock.steady) {
                throw Violation(.eventsInOrder, "\(event.task): \(problem)")
            }
            guard let row = rows[event.task], let replay = replays[event.task] else { continue }
            if event.kind == "submission_started" { try checkStart(event, of: row) }
            try checkDecision(event, of: row, replay, people: people)
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

    /// What a new attempt must respect.
    private func checkStart(_ event: DiskView.EventLine, of row: DiskView.TaskLine) throws {
        try checkResubmission(of: row)
        // What people track, adopt or reopen is in flight too, but asks nobody for room.
        let inFlight = tasks.count { $0.service == row.service && $0.isInFlight && replays[$0.id]?.wasSent ?? false }
        if let cap = ProviderWords.inFlightCaps[row.service], inFlight > cap {
            throw Violation(.inFlightCap, "\(inFlight) tasks of \(row.service) are in flight, and \(cap) may be")
        }
        let jumps = world.clock.jumps
        if let gap = ProviderWords.submissionGaps[row.service], let last = lastStart[row.service],
            last.life == life, last.jumps == jumps, 0..<gap ~= event.at - last.at,
            // What is decided at one moment may be written much later, and the next be decided by then.
            world.clock.steady - last.steady < gap
        {
            throw Violation(.submissionRate, "two starts of \(row.service) within \(event.at - last.at) ms")
        }
        lastStart[row.service] = (event.at, life, jumps, world.clock.steady)
    }

    /// Who decided about a lost submission, and whether they may.
    private func checkDecision(
        _ event: DiskView.EventLine, of row: DiskView.TaskLine, _ replay: LogReplay, people: People
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
            guard replay.personalResubmissions <= people.resubmissions[row.id, default: 0] else {
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
        if event.kind == "cancelled", !people.cancelled.contains(row.id) {
            throw Violation(.onlyWhatWasAsked, "nobody cancelled \(row.id)")
        }
        if event.kind == "reopened", !people.reopened.contains(row.id) {
            throw Violation(.onlyWhatWasAsked, "nobody reopened \(row.id)")
        }
    }

    /// What the last reading of the list could show was not taken for missing.
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
                // What an attempt before has left is a matter of whoever had it sent again.
                && record.createdAt >= point(started)
        }
        if let its { throw Violation(.absenceIsProven, "\(row.id) is \(its.id), which the list showed") }
    }

    /// A task that a policy has sent again was looked for once more, and its record was not there.
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

    /// Ids that belong to tasks whose submission was seen to its end, not named by a person.
    var ownedBySubmission: Set<String> {
        Set(tasks.filter { $0.attempts > 0 && $0.resolution != "adopted" }.compactMap(\.remoteID))
            .union(givenUp.compactMap(\.remoteID))
    }

    /// Whether the provider shows an accepted task of that endpoint with as many members as any of ours has.
    func hasControl(for row: DiskView.TaskLine) -> Bool {
        let now = world.clock.providerNow
        return tasks.contains { other in
            guard other.id != row.id, other.endpoint == row.endpoint, other.attempts > 0,
                other.failureCode != "remote_task_not_found",
                [nil, "called_back", "resubmitted", "resubmitted_by_policy"].contains(other.resolution),
                let record = other.remoteID.flatMap(world.truth.record)
            else { return false }
            return record.isListed(at: now) && record.request["n"] != nil
                && (!world.usesCallbacks || record.request["callback_url"] != nil)
        }
    }

    // MARK: What comes late

    /// A reply was recorded that its attempt did not wait for any more.
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

    /// Whether an attempt was given up and its place not read again yet.
    var awaitsFirstReading: Bool {
        givenUp.contains {
            $0.readings == 0 && $0.nextReadingAt != nil && !ProviderWords.unlisted.contains($0.service)
        }
    }

    /// Every record of ours that the list has shown plainly since before the last reading has been told of.
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

    /// Whether that task has been sent again by somebody's decision.
    func wasResubmitted(_ id: String) -> Bool { replays[id].map { $0.resubmissions > 0 } ?? false }

    // MARK: What people were told

    private func checkPeople(_ people: People, rows: [String: DiskView.TaskLine]) throws {
        if let lost = people.promised.sorted().first(where: { rows[$0] == nil }) {
            throw Violation(.acceptedIsNeverLost, "\(lost) was promised and is not there")
        }
        var byIntent: [Int: [String]] = [:]
        for row in tasks { if let intent = row.intent { byIntent[intent, default: []].append(row.id) } }
        for intent in people.intents {
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
            // A person may track what a task of ours turns out to have been accepted as: the reply is a fact.
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
            // Of a task that has ended only what contradicts is written down.
            guard let row = rows[task], !row.hasEnded, row.callbacks < count else { continue }
            throw Violation(.deliveryIsKept, "\(task) has \(row.callbacks) deliveries, and \(count) were acknowledged")
        }
    }

    // MARK: Outcomes

    private func checkOutcomes(_ people: People) throws {
        for row in tasks where row.hasEnded {
            let reopenings = replays[row.id]?.reopenings ?? 0
            if let known = outcomes[row.id], known.reopenings == reopenings {
                guard known.line == row.outcome else {
                    throw Violation(.outcomeStands, "\(row.id) was \(known.line) and is \(row.outcome)")
                }
                continue
            }
            outcomes[row.id] = (row.outcome, reopenings)
            if let problem = problem(withOutcomeOf: row, people) {
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

    private func problem(withOutcomeOf row: DiskView.TaskLine, _ people: People) -> String? {
        let now = world.clock.providerNow
        let record = row.remoteID.flatMap { id in world.truth.record(id) }
        switch (row.state, row.failureCode) {
        case ("succeeded", _), ("failed", "forbidden"):
            // One whose id a person tracks has its result from a late reply, without the id.
            guard let record = record ?? world.truth.records.first(where: { $0.sender?.text == row.id }) else {
                return "the provider has no \(row.remoteID ?? "id") of it"
            }
            guard record.ending.rawState == row.state, record.isFinished(at: now) else { return "\(record.id) differs" }
            // Records do not tell their operation; that of a task which was given up is anybody's who sent the same.
            let isAbandoned = record.sender.map { self.isAbandoned($0.text) } ?? false
            if record.sender == nil, record.request["mode"] != nil, row.attempts > 0, row.resolution != "adopted" {
                return "\(record.id) is a stranger's, who asked for more"
            }
            guard "\(record.service)/\(record.operation)" == row.endpoint || isAbandoned else {
                return "\(record.id) is another kind"
            }
            let wanted = people.request(ofIntent: row.intent)
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

    /// Whether somebody decided to do without what was paid for it.
    private func isAbandoned(_ id: String) -> Bool {
        let wasGivenUp = tasks.first { $0.id == id }?.resolution?.hasPrefix("given_up") ?? false
        return wasGivenUp || wasResubmitted(id)
    }

    // MARK: Pace

    /// Of any so many queries in a row the last comes as much later as the rate says, but for those under way together.
    ///
    /// The more there are the less those few matter, and few histories have a rush that is long.
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
