import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import VerbatimJSON

/// Runs one history of two or three daemons on one store: kills them, lets them stand still as with SIGSTOP, and checks all
/// invariants after each step.
///
/// The store itself never fails: it stands for a database server. Everything else is as in ``SimulationDriver``.
final class MachinesDriver {
    /// A message from a simulated task, with the life of its daemon.
    enum Message: Sendable {
        case started(DaemonIncarnation, life: Int)
        case startFailed(String, life: Int)
        case claimed(Int, DaemonIncarnation.Claim, life: Int)
        case answered(Action, Result<TaskID?, TaskServiceError>, life: Int)
        case delivered(CallbackDriver.Delivery, wasTaken: Bool)
        /// A daemon that still lives has sent a task and recorded the outcome.
        case sent(TaskID?, life: Int)
    }

    let world: World
    let database: any SharedDatabase
    let audit: Audit
    let mutant: Mutant?
    let thread: HistoryThread
    let truth: LeaseTruth
    let inbox = Inbox<Message>()
    var clients: Clients
    let machines: [Machine]
    var seen = SeenAudit()
    /// The server of the database; nil before it runs.
    var server: Server?
    var failOver: FailOver
    var lives = 0
    var steps = 0
    let faultSteps: Int
    /// How often a daemon is killed, and stands still, in thousandths per step.
    let kills: Int
    let stops: Int
    /// Whether the only fault is that the daemon which polls dies or stands still, once.
    let isCalm: Bool
    var hasStruck = false
    var faultsEndedAt: Int64?
    /// Whether work may have moved from one daemon to another.
    var hasMoved = false
    /// The time of the last decision of a person after the faults.
    var quietSince: Int64 = 0
    /// Since when all that is left is files to be fetched.
    var fetchingSince: Int64?
    /// Since when tasks are running, by id.
    var runningSince: [String: Int64] = [:]
    static let longestFetch: Int64 = 7_200_000
    /// The endpoints to resume after the faults.
    var toResume: [String] = []
    /// The budgets whose limit a person has to reset after the faults.
    var limitsToReset: [String] = []

    init(
        seed: UInt64, stage: Stage, on database: any SharedDatabase, mutant: Mutant? = nil, thread: HistoryThread,
        tail: Int = 120
    ) throws {
        // Seeds that are multiples of four have no retention, which belongs to the histories of one daemon.
        world = World(
            seed: seed &* 4, stage: stage, tail: tail,
            severalAccounts: mutant?.needsAccounts ?? ([1, 4, 6].contains(seed % 10)), keepsParts: false,
            follows: false,
            reconciles: false, hasBudgets: mutant?.needsBudgets ?? (seed % 5 == 4))
        world.spareStore()
        self.database = database
        audit = Audit(world: world, view: try database.view())
        truth = LeaseTruth(clock: world.clock)
        self.mutant = mutant
        self.thread = thread
        let (random, now) = (world.random, world.clock.now())
        clients = Clients(
            intents: (1...random.integer(in: 2...6)).map {
                Intent(number: $0, random: random, now: now, endpoints: Intent.endpoints)
            })
        if mutant?.needsPrograms ?? world.passRandom.happens(400) {
            clients.passed = PassedIntent.all(random: world.passRandom, callsBack: world.callsBack)
        }
        machines = (1...random.integer(in: 2...3)).map { Machine(number: $0) }
        for index in machines.indices { machines[index].startsAt = Int64(random.integer(in: 0...3_000)) }
        faultSteps = random.integer(in: 100...500)
        isCalm = random.happens(250)
        if isCalm {
            world.calm()
            world.accounts.endTroubles()
        }
        kills = isCalm ? 0 : random.pick([0, 5, 15]) ?? 0
        stops = isCalm ? 0 : random.pick([0, 8, 25]) ?? 0
        failOver = FailOver(seed: seed, isForced: mutant?.needsFailOver, faultSteps: faultSteps)
        if mutant?.needsSlowReplies ?? (!isCalm && failOver.random.happens(150)) {
            world.slowDown()
            // A process may lose its lease before it could store that a reply was delivered.
            audit.repliesAreAmbiguous = true
        }
    }

    /// Runs until all tasks have ended.
    func run() async throws -> Report {
        try audit.begin(incarnation: 1, view: database.view())
        let server = Server(try await database.open())
        self.server = server
        let end: Result<Void, any Error>
        do { end = .success(try await direct(on: server)) } catch { end = .failure(error) }
        for index in machines.indices { await kill(index) }
        try end.get()
        if failOver.hasHappened {
            try checkFailOver()
        } else {
            try check()
            try await audit.checkResults(in: TaskStore(server), mayLackParts: false)
        }
        try await server.close()
        try audit.view.close()
        return Report(
            seed: world.seed / 4, fingerprint: world.trace.fingerprint, steps: steps, incarnations: lives,
            tasks: audit.tasks.count, billed: world.truth.records.count { $0.sender != nil }, stubs: 0, gone: 0)
    }

    func direct(on server: Server) async throws {
        while true {
            for message in inbox.takeAll() { try await handle(message) }
            steps += 1
            if let violation = truth.violation { throw violation }
            if world.takeTouch() { try failOver.hasHappened ? checkFailOver() : check() }
            if failOver.isLastCommit(at: steps, isSending: audit.tasks.contains { $0.state == "submitting" }) {
                try await keepCopy(of: server)
            } else if failOver.isDue(at: steps) {
                try await takeOver(from: server)
            }
            if faultsEndedAt == nil, steps > faultSteps { try await endFaults() }
            if faultsEndedAt == nil {
                try await injectFaults()
            } else if let next = try nextAction() {
                guard let action = next else { return }
                await act(action)
                continue
            }
            try await step()
        }
    }

    // MARK: Checks

    func check() throws {
        // Another daemon begins with full rates, and stopped ones meet each other; rates are those of one daemon.
        if hasMoved { forgetPace() }
        try audit.check(clients, alsoCheck: { events in seen.note(events) })
        for machine in machines where machine.isUp { try seen.check(machine.seen, of: machine.life) }
    }

    func forgetPace() {
        audit.incarnation = steps + 2
        audit.pollsBefore = world.truth.polls.mapValues(\.count)
    }

    /// The longest time without a poll of a due task: the term of a lease, and some for what is under way.
    static let longestGap: Int64 = 20_000

    /// Checks that running tasks are polled although their daemon died or stands still, if another one runs.
    func checkTakeOver(at time: Int64) throws {
        // A failed poll opens a circuit breaker, which has times of its own.
        guard world.faults.polls == 0, faultsEndedAt == nil || isCalm, isCalm || !world.accounts.areSeveral,
            !failOver.hasHappened
        else { return }
        // A late reply makes a task running whose due time is as old as that reply.
        let running = Set(audit.tasks.filter { $0.state == "running" }.map(\.id))
        runningSince = runningSince.filter { running.contains($0.key) }
        for id in running where runningSince[id] == nil { runningSince[id] = time }
        guard let since = machines.compactMap(\.hasRunSince).min(), time - since > Self.longestGap else { return }
        for row in audit.tasks where row.state == "running" {
            guard let due = row.nextDueAt.map({ $0 - ManualTimeSource.start.milliseconds }),
                time - max(due, since, runningSince[row.id] ?? time) > Self.longestGap + Self.batchWait
            else { continue }
            throw Violation(
                .workGoesOn, "\(row.id) was due at \(due) ms and is not polled before \(time) ms, and a daemon runs")
        }
    }

    /// How long a due task may wait for the common query of its service.
    static let batchWait: Int64 = 5_000

    // MARK: Messages

    func handle(_ message: Message) async throws {
        let now = (wall: world.clock.now(), steady: world.clock.steady)
        switch message {
        case .started(let daemon, let life):
            guard let index = machines.firstIndex(where: { $0.life == life }) else { return }
            machines[index].daemon = daemon
            // It may have read the settings before the faults ended.
            if faultsEndedAt != nil { try await reload(daemon) }
            machines[index].hasRunSince = now.steady
            machines[index].followed = -1
            machines[index].loops = daemon.loops.map { _ in SimulationDriver.LoopState(due: now) }
        case .startFailed(let why, let life):
            world.trace.note("life \(life) cannot start: \(why)")
            guard let index = machines.firstIndex(where: { $0.life == life }) else { return }
            await kill(index)
        case .claimed(let place, let claim, let life):
            guard let index = machines.firstIndex(where: { $0.life == life && $0.isUp }) else { return }
            take(claim, of: place, on: index, at: now)
            for piece in claim.pieces {
                let (inbox, isSubmission) = (inbox, piece.name.hasPrefix("submit"))
                await start(piece.name, on: index) {
                    await piece.perform()
                    if isSubmission { inbox.put(.sent(TaskID(String(piece.name.suffix(36))), life: life)) }
                }
            }
        case .sent(let task, let life):
            guard let task, machines.contains(where: { $0.life == life }) else { return }
            let token = DaemonIncarnation.token(of: life, in: world)
            for reply in truth.takeReplies(to: task, by: token) { audit.note(reply) }
            world.touch()
        case .answered(let action, let answer, let life):
            record(answer, to: action, of: life, isServed: machines.contains { $0.life == life })
            world.touch()
        case .delivered(let delivery, let wasTaken):
            audit.note(delivery, wasTaken: wasTaken)
            world.touch()
        }
    }

    func take(
        _ claim: DaemonIncarnation.Claim, of place: Int, on index: Int, at now: (wall: Timestamp, steady: Int64)
    ) {
        var loop = machines[index].loops[place]
        loop.isClaiming = false
        switch claim.next {
        case .success(let next):
            loop.isDeaf = false
            let soonest = now.wall + .milliseconds(claim.pieces.isEmpty ? 5 : 0)
            let wall = min(max(next, soonest), now.wall + .seconds(10))
            loop.due = (wall, world.clock.steady(at: wall))
        case .failure:
            loop.isDeaf = true
            loop.due = (now.wall + .seconds(1), now.steady + 1_000)
        }
        machines[index].loops[place] = loop
    }

    func record(
        _ answer: Result<TaskID?, TaskServiceError>, to action: Action, of life: Int, isServed: Bool
    ) {
        let words =
            switch answer {
            case .success(let id): id?.text ?? "done"
            case .failure(let error): error.code
            }
        world.trace.note("\(action.words): \(isServed ? words : "no reply")")
        if isServed, case .success(let id?) = answer { clients.promised.insert(id.text) }
        if isServed, case .bringReply(let late) = action, case .success = answer { audit.note(late) }
        if case .recordFates = action {
            for machine in machines where machine.life == life { machine.isRecording = false }
        }
        if case .pass(let attempt) = action {
            if !isServed, attempt.fate == .delivered { audit.repliesAreAmbiguous = true }
            clients.settle(attempt, isServed ? answer : .success(nil), in: world)
        }
        guard case .submit(let number, _) = action,
            let index = clients.intents.firstIndex(where: { $0.number == number })
        else { return }
        clients.intents[index].asking -= 1
        switch answer {
        case _ where !isServed: clients.intents[index].unanswered += 1
        case .success(let id): clients.intents[index].answered = id
        case .failure(.store(.unknown)): clients.intents[index].unanswered += 1
        case .failure: clients.intents[index].refusals += 1
        }
    }
}
