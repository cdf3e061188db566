import SQLiteDriver
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
    private let disk: Disk
    private let audit: Audit
    private let mutant: Mutant?
    private let thread: HistoryThread
    private let truth: LeaseTruth
    private let inbox = Inbox<Message>()
    private var clients: Clients
    private let machines: [Machine]
    private var seen = SeenAudit()
    private var sqlite: SQLiteDriver?
    private var lives = 0
    private var steps = 0
    private let faultSteps: Int
    /// How often a daemon is killed, and stands still, in thousandths per step.
    private let kills: Int
    private let stops: Int
    /// Whether the only fault is that the daemon which polls dies or stands still, once.
    private let isCalm: Bool
    private var hasStruck = false
    private var faultsEndedAt: Int64?
    /// Whether work may have moved from one daemon to another.
    private var hasMoved = false
    /// The time of the last decision of a person after the faults.
    private var quietSince: Int64 = 0
    /// Since when all that is left is files to be fetched.
    private var fetchingSince: Int64?
    /// Since when tasks are running, by id.
    private var runningSince: [String: Int64] = [:]
    private static let longestFetch: Int64 = 7_200_000

    init(seed: UInt64, stage: Stage, mutant: Mutant? = nil, thread: HistoryThread, tail: Int = 120) throws {
        // Seeds that are multiples of four have no retention, which belongs to the histories of one daemon.
        world = World(
            seed: seed &* 4, stage: stage, tail: tail, severalAccounts: false, keepsParts: false, follows: false,
            reconciles: false, hasBudgets: false)
        world.spareStore()
        disk = try Disk(stage: stage, name: stage.nextName())
        audit = try Audit(world: world, path: disk.path)
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
        if isCalm { world.calm() }
        kills = isCalm ? 0 : random.pick([0, 5, 15]) ?? 0
        stops = isCalm ? 0 : random.pick([0, 8, 25]) ?? 0
    }

    /// Runs until all tasks have ended.
    func run() async throws -> Report {
        try audit.begin(incarnation: 1, path: disk.path)
        let sqlite = try SQLiteDriver.open(path: disk.path, writing: .callers)
        self.sqlite = sqlite
        let end: Result<Void, any Error>
        do { end = .success(try await direct()) } catch { end = .failure(error) }
        for index in machines.indices { await kill(index) }
        try end.get()
        try check()
        try await audit.checkResults(in: TaskStore(sqlite), mayLackParts: false)
        try sqlite.close()
        return Report(
            seed: world.seed / 4, fingerprint: world.trace.fingerprint, steps: steps, incarnations: lives,
            tasks: audit.tasks.count, billed: world.truth.records.count { $0.sender != nil }, stubs: 0, gone: 0)
    }

    private func direct() async throws {
        while true {
            for message in inbox.takeAll() { await handle(message) }
            steps += 1
            if let violation = truth.violation { throw violation }
            if world.takeTouch() { try check() }
            if faultsEndedAt == nil, steps > faultSteps { endFaults() }
            if faultsEndedAt == nil {
                await injectFaults()
            } else if let next = try nextAction() {
                guard let action = next else { return }
                await act(action)
                continue
            }
            try await step()
        }
    }

    // MARK: Checks

    private func check() throws {
        // Another daemon begins with full rates, and stopped ones meet each other; rates are those of one daemon.
        if hasMoved { forgetPace() }
        try audit.check(clients, alsoCheck: { events in seen.note(events) })
        for machine in machines where machine.isUp { try seen.check(machine) }
    }

    private func forgetPace() {
        audit.incarnation = steps + 2
        audit.pollsBefore = world.truth.polls.mapValues(\.count)
    }

    /// The longest time without a poll of a due task: the term of a lease, and some for what is under way.
    private static let longestGap: Int64 = 20_000

    /// Checks that running tasks are polled although their daemon died or stands still, if another one runs.
    private func checkTakeOver(at time: Int64) throws {
        // A failed poll opens a circuit breaker, which has times of its own.
        guard world.faults.polls == 0, faultsEndedAt == nil || isCalm else { return }
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
    private static let batchWait: Int64 = 5_000

    // MARK: Messages

    private func handle(_ message: Message) async {
        let now = (wall: world.clock.now(), steady: world.clock.steady)
        switch message {
        case .started(let daemon, let life):
            guard let index = machines.firstIndex(where: { $0.life == life }) else { return }
            machines[index].daemon = daemon
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

    private func take(
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

    private func record(
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

    // MARK: Machines

    /// Starts a simulated task of a daemon.
    private func start(_ name: String, on index: Int, _ body: @escaping @Sendable () async -> Void) async {
        machines[index].tasks.removeAll(where: \.isCancelled)
        machines[index].tasks.append(
            await world.scheduler.start(name, of: machines[index].life, on: thread, body))
    }

    private func startDaemon(_ index: Int) async {
        guard let sqlite else { return }
        lives += 1
        let life = lives
        let stopFlag = DaemonIncarnation.StopFlag()
        let seen = SeenLines()
        machines[index].life = life
        machines[index].stopFlag = stopFlag
        machines[index].seen = seen
        machines[index].startsAt = nil
        world.trace.note("machine \(machines[index].number) starts life \(life)")
        let (world, inbox, mutant, path, truth) = (world, inbox, mutant, disk.path, truth)
        let witness = machines[index].witness
        await start("start", on: index) {
            do {
                let daemon = try await DaemonIncarnation(
                    on: sqlite, path: path, beside: witness, in: world, number: life, stopFlag: stopFlag,
                    mutant: mutant, sharing: (truth, seen))
                inbox.put(.started(daemon, life: life))
            } catch {
                inbox.put(.startFailed("\(error)", life: life))
            }
        }
    }

    /// Kills a daemon, and runs its remaining tasks to their end, which have no effect any more.
    private func kill(_ index: Int) async {
        let life = machines[index].life
        hasMoved = true
        noteLostFates(of: index)
        machines[index].stopFlag.stop()
        for task in machines[index].tasks { task.cancel() }
        while let parked = world.scheduler.waiting.first(where: { $0.life == life }) {
            await world.scheduler.resume(parked)
        }
        // Programs get no reply from it.
        machines[index].life = 0
        (machines[index].daemon, machines[index].loops, machines[index].tasks) = (nil, [], [])
        (machines[index].goesOnAt, machines[index].hasRunSince) = (nil, nil)
        machines[index].isRecording = false
        machines[index].startsAt = world.clock.steady + Int64(world.random.integer(in: 0...30_000))
        world.touch()
    }

    /// Kills the daemon that polls, or lets it stand still.
    private func strike() async {
        let account = LeaseName(ProviderAccount(provider: ProviderWords.provider))
        let holder = machines.indices.first { index in
            machines[index].serves
                && truth.isHeld(account, by: DaemonIncarnation.token(of: machines[index].life, in: world))
        }
        guard let holder else { return }
        hasStruck = true
        if world.random.happens(500) {
            world.trace.note("kill -9 of machine \(machines[holder].number), which polls")
            await kill(holder)
            machines[holder].startsAt = world.clock.steady + 120_000
        } else {
            stop(holder, for: 60_000)
        }
    }

    /// Other daemons will not know of replies that were delivered and are not stored as such, and take them for lost.
    private func noteLostFates(of index: Int) {
        let unstored = machines[index].daemon?.gateway.fates.unstored ?? []
        if unstored.contains(where: { [.delivered, .received].contains($0.fate) }) { audit.repliesAreAmbiguous = true }
    }

    private func stop(_ index: Int, for span: Int) {
        // It may have renewed its leases ten seconds ago.
        noteLostFates(of: index)
        world.trace.note("machine \(machines[index].number) stands still for \(span) ms")
        machines[index].goesOnAt = world.clock.steady + Int64(span)
        machines[index].hasRunSince = nil
        hasMoved = true
        world.touch()
    }

    private func injectFaults() async {
        let random = world.random
        if isCalm, !hasStruck, audit.tasks.contains(where: { $0.state == "running" }), random.happens(100) {
            await strike()
        }
        if random.happens(kills), let index = random.pick(machines.indices.filter { machines[$0].isUp }) {
            world.trace.note("kill -9 of machine \(machines[index].number)")
            await kill(index)
        }
        let running = machines.indices.filter { machines[$0].serves }
        // Most harm is done to a daemon that is about to send, or that renews its leases.
        let waiting = stops == 0 ? [] : world.scheduler.waiting
        let delicate = running.filter { index in
            waiting.contains { parked in
                parked.life == machines[index].life
                    && ["send", "acquire", "apply submission_started", "settle"].contains { parked.label.hasPrefix($0) }
            }
        }
        let victim =
            random.happens(stops) ? random.pick(running) : random.happens(stops * 4) ? random.pick(delicate) : nil
        if let index = victim { stop(index, for: random.pick([5_000, 20_000, 60_000]) ?? 0) }
        if random.happens(120), let action = randomAction() { await act(action) }
        if random.happens(60), let late = world.truth.takeLate() { await act(.bringReply(late)) }
        if !clients.passed.isEmpty {
            if world.passRandom.happens(150), let attempt = clients.passedTry(random: world.passRandom) {
                await act(.pass(attempt))
            }
        }
    }

    private func randomAction() -> Action? {
        let random = world.random
        if random.happens(650) { return submission() }
        let uncertain = audit.tasks.filter { $0.state == "uncertain" }
        if random.happens(300), let row = random.pick(uncertain) {
            return .resolve(row.id, random.happens(500) ? .resubmit : .giveUp)
        }
        switch random.integer(in: 0...3) {
        case 0: return random.pick(audit.tasks).map { .cancel($0.id) }
        case 1: return random.pick(audit.tasks.filter(\.hasEnded)).map { .reopen($0.id) }
        case 2: return random.happens(300) ? random.pick(ProviderWords.endpoints).map { .pause($0) } : nil
        default: return random.pick(ProviderWords.endpoints).map { .resume($0) }
        }
    }

    private func submission() -> Action? {
        world.random.pick(clients.intents.filter(\.wantsToAsk)).map { .submit($0.number, $0.submission) }
    }

    /// A program or a person asks any daemon that runs.
    private func act(_ action: Action) async {
        guard let index = world.random.pick(machines.indices.filter { machines[$0].serves }) else { return }
        await act(action, at: index)
    }

    private func act(_ action: Action, at index: Int) async {
        guard let daemon = machines[index].daemon else { return }
        switch action {
        case .submit(let number, _):
            if let place = clients.intents.firstIndex(where: { $0.number == number }) {
                clients.intents[place].asking += 1
            }
        case .cancel(let id): clients.cancelled.insert(id)
        case .reopen(let id): clients.reopened.insert(id)
        case .resolve(let id, .resubmit): clients.resubmissions[id, default: 0] += 1
        case .pass(let attempt): clients.begin(attempt)
        case .pause(let endpoint): clients.paused.insert(endpoint)
        default: break
        }
        let (inbox, life) = (inbox, machines[index].life)
        await start(action.words, on: index) {
            let answer: Result<TaskID?, TaskServiceError>
            do throws(TaskServiceError) {
                answer = .success(try await action.perform(on: daemon))
            } catch {
                answer = .failure(error)
            }
            inbox.put(.answered(action, answer, life: life))
        }
    }

    private func deliver(_ delivery: CallbackDriver.Delivery) async {
        world.callbackDriver.remove(delivery)
        guard let index = world.random.pick(machines.indices.filter { machines[$0].serves }),
            let callbacks = machines[index].daemon?.callbacks
        else { return world.trace.note("a callback fails: no daemon runs") }
        let body = delivery.body(
            by: ProviderWords(truth: world.truth, now: world.clock.providerNow, habit: world.habit))
        if delivery.forgetsTask { world.truth.forget(delivery.record) }
        let inbox = inbox
        await start("callback \(delivery.number)", on: index) {
            let isTaken = try? await delivery.perform(on: callbacks, body: body)
            if let isTaken { inbox.put(.delivered(delivery, wasTaken: isTaken)) }
        }
    }

    // MARK: Steps

    private enum Choice {
        case resume(StepScheduler.ParkedTask)
        case claim(Int, Int)
        case deliver(CallbackDriver.Delivery)
        /// The gateway of a machine stores what became of its replies, as it does as soon as it knows.
        case recordFates(Int)
    }

    private func step() async throws {
        await startAndGoOn()
        let (steady, wall) = (world.clock.steady, world.clock.now())
        let stopped = Set(machines.filter(\.isStopped).map(\.life))
        let waiting = world.scheduler.waiting.filter { !stopped.contains($0.life) }
        var choices = waiting.filter { parked in
            guard let notBefore = parked.notBefore else { return true }
            return notBefore <= steady || parked.wall.map { $0 <= wall } ?? false
        }.map(Choice.resume)
        for index in machines.indices where machines[index].serves {
            for place in machines[index].loops.indices where isDue(place, of: machines[index]) {
                choices.append(.claim(place, index))
            }
        }
        choices += world.callbackDriver.due.map(Choice.deliver)
        for index in machines.indices where machines[index].serves && !machines[index].isRecording {
            if machines[index].daemon?.gateway.fates.unstored.isEmpty == false { choices.append(.recordFates(index)) }
        }
        guard let choice = world.random.pick(choices) else { return try advance(until: waiting) }
        switch choice {
        case .resume(let parked): await world.scheduler.resume(parked)
        case .claim(let place, let index): await claim(place, on: index)
        case .deliver(let delivery): await deliver(delivery)
        case .recordFates(let index):
            machines[index].isRecording = true
            await act(.recordFates, at: index)
        }
    }

    private func startAndGoOn() async {
        let steady = world.clock.steady
        for index in machines.indices {
            if let time = machines[index].goesOnAt, time <= steady {
                world.trace.note("machine \(machines[index].number) goes on")
                machines[index].goesOnAt = nil
                machines[index].hasRunSince = machines[index].isUp ? steady : nil
            }
            if let time = machines[index].startsAt, time <= steady { await startDaemon(index) }
        }
    }

    private func isDue(_ place: Int, of machine: Machine) -> Bool {
        let loop = machine.loops[place]
        guard !loop.isClaiming, hasWork(place, on: machine) else { return false }
        let isSignalled = !loop.isDeaf && machine.claims[place].isSignalled
        return isSignalled || loop.due.steady <= world.clock.steady || loop.due.wall <= world.clock.now()
    }

    /// Looks of a follower at an unchanged log change nothing, and are skipped.
    private func hasWork(_ place: Int, on machine: Machine) -> Bool {
        machine.claims[place].name != "follower" || machine.followed != truth.commits
    }

    private func claim(_ place: Int, on index: Int) async {
        let loop = machines[index].claims[place]
        machines[index].loops[place].isClaiming = true
        if loop.name == "follower" { machines[index].followed = truth.commits }
        let (inbox, life) = (inbox, machines[index].life)
        await start("claim \(loop.name)", on: index) {
            inbox.put(.claimed(place, await loop.claim(), life: life))
        }
    }

    /// Advances the time to the next event.
    private func advance(until waiting: [StepScheduler.ParkedTask]) throws {
        var next = waiting.compactMap(\.notBefore)
        next += machines.compactMap(\.goesOnAt) + machines.compactMap(\.startsAt)
        for machine in machines where machine.serves {
            next += machine.loops.indices.filter { !machine.loops[$0].isClaiming && hasWork($0, on: machine) }
                .map { machine.loops[$0].due.steady }
        }
        if let call = world.callbackDriver.nextDue { next.append(call) }
        let target = max(next.min() ?? world.clock.steady + 1_000, world.clock.steady + 1)
        try checkTakeOver(at: target)
        world.clock.advance(toSteady: target)
    }

    // MARK: The end

    private func endFaults() {
        world.endFaults()
        faultsEndedAt = world.clock.steady
        quietSince = world.clock.steady
        if !isCalm {
            for machine in machines where machine.isStopped { machine.goesOnAt = world.clock.steady }
        }
        toResume = clients.paused.union(world.truth.hasStopped ? ProviderWords.endpoints.prefix(1) : []).sorted()
    }

    /// The endpoints to resume after the faults.
    private var toResume: [String] = []

    /// The next action after the faults: nil to continue, `.some(nil)` at the end.
    private func nextAction() throws -> Action?? {
        // No daemon answers while all of them stand still.
        guard machines.allSatisfy(\.isUp), machines.contains(where: \.serves) else { return nil }
        let open = audit.tasks.filter { !$0.hasEnded }
        // Failed deliveries are repeated after hours, and each daemon renews its leases meanwhile.
        if steps > (world.notifies ? 100_000 : 60_000) || world.clock.steady - (faultsEndedAt ?? 0) > 86_400_000 {
            let words = open.map { "\($0.id) \($0.endpoint) \($0.state) \($0.onUncertain)" }.joined(separator: ", ")
            let other = [
                audit.awaitsFirstReading ? "a reading" : nil, audit.undelivered,
                try audit.tasksWithoutFiles.first.map { "files of \($0)" },
                clients.passed.first(where: \.isAsking).map { "program \($0.number)" },
            ]
            throw Violation(
                .everythingEnds,
                "at \(world.clock.steady) ms after \(steps) steps, still open: \(words); \(other.compactMap(\.self))")
        }
        // Waits until no earlier pause, or action that may pause, is still in progress.
        let isQuiet = !world.scheduler.waiting.contains {
            $0.taskName.hasPrefix("person") || $0.taskName.hasPrefix("submit")
        }
        if isQuiet, let endpoint = toResume.popLast() { return .resume(endpoint) }
        if let action = submission() { return action }
        if let attempt = clients.passedTry(random: world.passRandom) { return .pass(attempt) }
        guard world.scheduler.waiting.isEmpty, !machines.contains(where: { $0.loops.contains(where: \.isClaiming) }),
            !clients.intents.contains(where: { $0.asking > 0 }), !clients.passed.contains(where: \.isAsking)
        else { return nil }
        if open.isEmpty {
            guard !audit.awaitsFirstReading, audit.undelivered == nil else { return nil }
            if let unsettled = try audit.tasksWithoutFiles.first {
                let since = fetchingSince ?? world.clock.steady
                fetchingSince = since
                guard world.clock.steady - since < Self.longestFetch else {
                    throw Violation(.filesArrive, "\(unsettled) has a result whose file is neither saved nor given up")
                }
                return nil
            }
            return .some(nil)
        }
        guard world.clock.steady - quietSince >= SimulationDriver.giveUpAfter,
            let first = open.first(where: { $0.state == "uncertain" }), open.allSatisfy({ $0.state == "uncertain" })
        else { return nil }
        quietSince = world.clock.steady
        return .resolve(first.id, .giveUp)
    }
}
