import SQLiteDriver
import Synchronization
import TaskEngine
import TaskModel
import TaskStore
import VerbatimJSON

/// Runs one history: chooses the next step, advances the time, injects faults, and checks all invariants after each
/// step.
final class SimulationDriver {
    /// A message from a simulated task to the driver.
    enum Message: Sendable {
        case started(DaemonIncarnation)
        case startFailed(String)
        case claimed(Int, DaemonIncarnation.Claim)
        case answered(Action, Result<TaskID?, TaskServiceError>)
        case delivered(CallbackDriver.Delivery, wasTaken: Bool)
        /// A daemon that still lives has sent a task and recorded the outcome.
        case sent(TaskID)
    }

    /// How a daemon incarnation ended.
    enum End { case crashed, over }

    /// The state of a loop between its claims.
    struct LoopState {
        var isClaiming = false
        /// Whether it sleeps after a failure and ignores hints.
        var isDeaf = false
        /// When it runs next, unless a hint wakes it earlier.
        var due: (wall: Timestamp, steady: Int64)
    }

    let world: World
    let disk: Disk
    let audit: Audit
    let mutant: Mutant?
    var clients: Clients
    var daemon: DaemonIncarnation?
    var loops: [LoopState] = []
    private let inbox = Inbox<Message>()
    private var incarnations = 0
    private(set) var steps = 0
    private let faultSteps: Int
    var faultsEndedAt: Int64?
    /// When every account worked, after the faults.
    var healedAt: Int64? { didSet { audit.healedAt = healedAt } }
    /// The time of the last decision.
    var quietSince: Int64 = 0
    /// How often the sweeper runs after everything has ended.
    var sweepsLeft = 30
    /// How often the fetcher runs after everything has ended.
    var fetchesLeft = 60
    /// How often the remover runs, and the follower reads, after that.
    var removalsLeft = 20
    var readsLeft = 60
    /// Whether the follower reads at the moment.
    var isFollowing = false
    /// The intents whose keys were repeated at the end.
    var repeated: Set<Int> = []
    /// Whether the lists were compared with the tasks after everything had ended.
    var hasReconciled = false
    /// The endpoints to resume after the faults.
    var toResume: [String] = []
    /// The budgets whose limit a person has to reset after the faults.
    var limitsToReset: [String] = []
    /// A copy that a person has made.
    var copy: Disk.Copy?
    /// The restored copy, if any.
    var restore: Restore?
    /// The database of the current daemon incarnation.
    var store: (any StoreDriver)?
    /// The database server, in histories that have one instead of a file.
    var shared: Shared?
    /// How many commits there were when its follower looked last.
    var followed = -1
    private var stopFlag = DaemonIncarnation.StopFlag()

    /// The database server, and the state directory of the daemon beside it.
    struct Shared {
        let database: any SharedDatabase
        let truth: LeaseTruth
        let journal = SimulatedJournal()
        /// What the subscribers of the current daemon have seen.
        var seen = SeenLines()
        var audit = SeenAudit()
    }

    /// `database` is on a server, if there is one.
    init(
        seed: UInt64, stage: Stage, on database: (any SharedDatabase)? = nil, mutant: Mutant? = nil, tail: Int = 120
    ) throws {
        world = World(
            seed: seed, stage: stage, tail: tail, habit: mutant?.habit, severalAccounts: mutant.map(\.needsAccounts),
            notifies: mutant?.needsNotifications == true ? true : nil,
            keepsParts: mutant?.needsParts == true ? true : nil, follows: mutant?.needsFollower == true ? true : nil,
            reconciles: mutant.map(\.reconciles), hasBudgets: mutant.map(\.needsBudgets))
        if mutant?.startsMoved ?? false { world.moveOften() }
        if mutant?.recordsAreLate ?? false { world.listLate() }
        if mutant?.clockJumps ?? false { world.jumpOften() }
        disk = try Disk(stage: stage, name: stage.nextName())
        shared = database.map { [world] in Shared(database: $0, truth: LeaseTruth(clock: world.clock)) }
        if shared != nil { world.spareFiles() }
        audit = Audit(world: world, view: try database?.view() ?? disk.view())
        self.mutant = mutant
        let random = world.random
        let now = world.clock.now()
        // If the list hides an endpoint, the two endpoints that share it are the interesting ones.
        let usual =
            world.habit == .hidesEdits
            ? ["image/make", "image/edit", "image/edit"]
            : Intent.endpoints + (world.accounts.areSeveral ? ["mine/make", "mine/make"] : [])
        // Lost attempts are compared with accepted ones of their endpoint, so some histories have only one.
        let only = world.random.happens(300) ? world.random.pick(usual) : nil
        let endpoints = (mutant?.endpoint ?? only).map { [$0] } ?? usual
        let intents = (1...random.integer(in: 1...5)).map {
            Intent(number: $0, random: random, now: now, endpoints: endpoints)
        }
        clients = Clients(intents: intents)
        // In histories without retention, since what a retry finds goes with the details of its task.
        if seed % 4 == 3 || mutant?.needsPrograms ?? false, world.retention.isOff {
            clients.passed = PassedIntent.all(random: world.passRandom, callsBack: world.callsBack)
        }
        if mutant?.needsAgent ?? (seed % 8 == 1), world.retention.isOff {
            clients.agent = Agent(random: world.agentRandom)
        }
        // Renewals of leases are steps as well.
        faultSteps = random.integer(in: 20...120) * (database == nil ? 1 : 3)
        // Tasks of other programs of the account. Sometimes more than a page of them; always, where pages are short.
        let hasPages = random.happens(world.habit == .pagesInTens ? 1_000 : 100)
        for number in 0..<(hasPages ? random.integer(in: 5...30) : random.integer(in: 0...2)) {
            let path = random.pick(["/image/make", "/song/audios"]) ?? ""
            world.truth.accept(
                .init(
                    sender: nil, path: path, body: JSONObject([("prompt", .string("what others want \(number)"))]),
                    account: world.accounts.any()))
        }
    }

    /// More daemons than any history has needed. Without a limit, one whose daemons cannot start would not end.
    private static let mostIncarnations = 300

    /// Runs daemon incarnations until all tasks have ended.
    func run() async throws -> Report {
        while true {
            let end = try await runDaemon().get()
            if restore != nil { break }
            if let copy, world.random.happens(400) {
                try putBack(copy)
                continue
            }
            if case .over = end { break }
        }
        return Report(
            seed: world.seed, fingerprint: world.trace.fingerprint, steps: steps, incarnations: incarnations,
            tasks: audit.tasks.count, billed: world.truth.records.count { $0.sender != nil },
            stubs: audit.tasks.count(where: \.isStub), gone: audit.gone.count)
    }

    /// Runs the history and returns a failure as a value.
    func runCatching() async -> Result<Report, any Error> {
        do { return .success(try await run()) } catch { return .failure(error) }
    }

    /// Runs one daemon incarnation.
    private func runDaemon() async -> Result<End, any Error> {
        let stopFlag = DaemonIncarnation.StopFlag()
        self.stopFlag = stopFlag
        return await withDiscardingTaskGroup { group in
            do throws(any Error) {
                incarnations += 1
                guard incarnations <= Self.mostIncarnations else {
                    throw Violation(.everythingEnds, "\(Self.mostIncarnations) daemons did not bring it to an end")
                }
                world.trace.note("life \(incarnations)")
                let database: any HistoryDatabase = shared?.database ?? disk
                try audit.begin(incarnation: incarnations, view: database.view())
                let opened = try await database.open()
                store = opened.driver
                let end: Result<End, any Error>
                do { end = .success(try await direct(&group, on: opened)) } catch { end = .failure(error) }
                await drain(&group)
                let result = try end.get()
                // Requests that the dead daemon left in the network were sent while it lived.
                if restore == nil { try check() }
                let files = SimulatedRecordFiles(world: world, fault: nil) { false }
                try await audit.checkResults(in: TaskStore(opened.driver, files: files), mayLackParts: restore != nil)
                // The provider sends callbacks during the downtime, and they fail.
                if case .crashed = result, world.usesCallbacks {
                    world.callbackDriver.lose(until: world.clock.steady + Int64(world.random.integer(in: 0...20_000)))
                }
                if case .crashed = result {
                    try disk.crash(losingLog: mutant?.losesLog ?? false)
                    world.parts.crash()
                    world.follower?.disconnect()
                }
                try await opened.close()
                return .success(result)
            } catch {
                await drain(&group)
                return .failure(error)
            }
        }
    }

    /// Runs all remaining tasks to their end. They have no effect any more.
    private func drain(_ group: inout DiscardingTaskGroup) async {
        if daemon?.gateway.fates.unstored.contains(where: { [.delivered, .received].contains($0.fate) }) ?? false {
            audit.repliesAreAmbiguous = true
        }
        stopFlag.stop()
        group.cancelAll()
        while let parkedTask = world.scheduler.waiting.first { await world.scheduler.resume(parkedTask) }
        for message in inbox.takeAll() {
            if case .answered(.submit(let number, _), _) = message { settle(number) { $0.unanswered += 1 } }
            if case .answered(.pass(let attempt), _) = message {
                // A program that has a reply and could not poll any more looks like one whose reply was lost.
                if attempt.fate == .delivered { audit.repliesAreAmbiguous = true }
                clients.settle(attempt, .success(nil), in: world)
            }
        }
        clients.agent?.settle(nil)
        isFollowing = false
        daemon = nil
        loops = []
    }

    private func direct(_ group: inout DiscardingTaskGroup, on opened: OpenDatabase) async throws -> End {
        let (world, inbox, stopFlag, number, mutant) = (world, inbox, stopFlag, incarnations, mutant)
        let path = shared?.database.path ?? disk.path
        shared?.seen = SeenLines()
        let witness = disk.witness
        let sharing = shared.map { shared in
            DaemonIncarnation.Sharing(
                server: Server(opened), truth: shared.truth, seen: shared.seen, journal: shared.journal)
        }
        await world.scheduler.start("start", in: &group) {
            do {
                let daemon = try await DaemonIncarnation(
                    on: opened.driver, path: path, beside: witness, in: world, number: number, stopFlag: stopFlag,
                    mutant: mutant, sharing: sharing)
                inbox.put(.started(daemon))
            } catch {
                inbox.put(.startFailed("\(error)"))
            }
        }
        while true {
            for message in inbox.takeAll() {
                if await handle(message, &group) { return .crashed }
            }
            steps += 1
            if let violation = shared?.truth.violation { throw violation }
            if restore != nil {
                try audit.refresh()
                try checkRestore()
                if await decideAboutRestore(&group) { return .over }
                try await step(&group)
                continue
            }
            if world.takeTouch() { try check() }
            if faultsEndedAt == nil, steps > faultSteps {
                try await endFaults()
                // Half of the histories restart the daemon here.
                if world.random.happens(500) { return .crashed }
            }
            if faultsEndedAt != nil {
                if let next = try nextAction() {
                    guard case .some(let action) = next else { return .over }
                    await act(action, &group)
                    continue
                }
            } else if try await injectFaults(&group) {
                return .crashed
            }
            try await step(&group)
        }
    }

    /// Checks all invariants.
    func check() throws {
        try audit.check(clients, alsoCheck: { shared?.audit.note($0) })
        if let seen = shared?.seen { try shared?.audit.check(seen, of: incarnations) }
    }

    /// Handles a message. Returns true if the daemon could not start.
    private func handle(_ message: Message, _ group: inout DiscardingTaskGroup) async -> Bool {
        let now = (wall: world.clock.now(), steady: world.clock.steady)
        switch message {
        case .started(let daemon):
            self.daemon = daemon
            // It may have read the settings before the limits were raised.
            if world.money.raisedAt != nil { try? await daemon.reloadBudgets() }
            if restore == nil { audit.falseAlarm = daemon.copyReason }
            loops = daemon.loops.map { _ in LoopState(due: now) }
            followed = -1
        case .startFailed(let why):
            world.trace.note("it cannot start: \(why)")
            world.clock.advance(toSteady: now.steady + 1_000)
            if world.random.happens(400) { world.isDiskFull = false }
            return true
        case .claimed(let index, let claim):
            loops[index].isClaiming = false
            loops[index].isDeaf = if case .failure = claim.next { true } else { false }
            switch claim.next {
            case .success(let next):
                // As in the real loop: it must not spin, and a due time from before a clock change must not make it
                // sleep for hours.
                let soonest = now.wall + .milliseconds(claim.pieces.isEmpty ? 5 : 0)
                let wall = min(max(next, soonest), now.wall + .seconds(shared == nil ? 60 : 10))
                loops[index].due = (wall, world.clock.steady(at: wall))
            case .failure:
                loops[index].due = (now.wall + .seconds(1), now.steady + 1_000)
                if daemon?.loops[index].name == "follower" { followed = -1 }
            }
            for piece in claim.pieces {
                let sent = shared != nil && piece.name.hasPrefix("submit") ? TaskID(String(piece.name.suffix(36))) : nil
                let (inbox, stopFlag) = (inbox, stopFlag)
                await world.scheduler.start(piece.name, in: &group) {
                    await piece.perform()
                    if let sent, !stopFlag.isDead { inbox.put(.sent(sent)) }
                }
            }
        case .sent(let task):
            let token = DaemonIncarnation.token(of: incarnations, in: world)
            for reply in shared?.truth.takeReplies(to: task, by: token) ?? [] { audit.note(reply) }
            world.touch()
        case .delivered(let delivery, let wasTaken):
            audit.note(delivery, wasTaken: wasTaken)
            world.touch()
        case .answered(let action, let answer):
            record(answer, to: action)
            world.touch()
        }
        return false
    }

    private func record(_ answer: Result<TaskID?, TaskServiceError>, to action: Action) {
        let words =
            switch answer {
            case .success(let id): id?.text ?? "done"
            case .failure(let error): error.code
            }
        world.trace.note("\(action.words): \(words)")
        if case .bringReply(let late) = action, case .success = answer { audit.note(late) }
        if case .success(let id?) = answer { clients.promised.insert(id.text) }
        if case .repeatKey(let submission, let first) = action, case .success(let id?) = answer, id != first {
            let key = submission.idempotencyKey ?? ""
            // After its time a key makes a new task.
            if !audit.isForgotten(first.text) {
                audit.secondTask = "\(key) named \(first) and names \(id)"
            } else if let index = clients.intents.firstIndex(where: { $0.key == key }) {
                clients.intents[index].answered = id
            }
        }
        if case .follow = action { isFollowing = false }
        if case .pass(let attempt) = action { clients.settle(attempt, answer, in: world) }
        if case .call(let call) = action {
            if case .generate = call.kind, case .success(let id?) = answer { audit.noteGeneration(id.text, clients) }
            clients.agent?.settle(answer)
        }
        guard case .submit(let number, _) = action else { return }
        settle(number) { intent in
            switch answer {
            case .success(let id): intent.answered = id
            case .failure(.store(.unknown)): intent.unanswered += 1
            case .failure: intent.refusals += 1
            }
        }
    }

    /// Ends a try of that intent.
    private func settle(_ number: Int, _ change: (inout Intent) -> Void) {
        guard let index = clients.intents.firstIndex(where: { $0.number == number }) else { return }
        clients.intents[index].asking -= 1
        change(&clients.intents[index])
    }

    /// Starts a client action.
    func act(_ action: Action, _ group: inout DiscardingTaskGroup) async {
        guard let daemon else { return }
        switch action {
        case .submit(let number, _):
            if let index = clients.intents.firstIndex(where: { $0.number == number }) {
                clients.intents[index].asking += 1
            }
        case .cancel(let id): clients.cancelled.insert(id)
        case .reopen(let id): clients.reopened.insert(id)
        case .resolve(let id, .resubmit): clients.resubmissions[id, default: 0] += 1
        case .pause(let endpoint): clients.paused.insert(endpoint)
        case .pass(let attempt): clients.begin(attempt)
        case .call(let call): clients.agent?.call = call
        case .follow: isFollowing = true
        case .recordFates, .resolve, .misuseKey, .track, .resume, .bringReply, .repeatKey, .pin, .prune, .reconcile,
            .setLimit, .approve:
            break
        case .copyFile(let digest): audit.copied.insert(digest)
        case .delete(let id): audit.deleted.insert(id)
        }
        let inbox = inbox
        await world.scheduler.start(action.words, in: &group) {
            let answer: Result<TaskID?, TaskServiceError>
            do throws(TaskServiceError) {
                answer = .success(try await action.perform(on: daemon))
            } catch {
                answer = .failure(error)
            }
            inbox.put(.answered(action, answer))
        }
    }

    /// Delivers a callback to the daemon.
    func deliver(_ delivery: CallbackDriver.Delivery, _ group: inout DiscardingTaskGroup) async {
        world.callbackDriver.remove(delivery)
        guard let callbacks = daemon?.callbacks else { return world.trace.note("a callback fails: no daemon runs") }
        let body = delivery.body(
            by: ProviderWords(truth: world.truth, now: world.clock.providerNow, habit: world.habit))
        if delivery.forgetsTask { world.truth.forget(delivery.record) }
        let (inbox, trace) = (inbox, world.trace)
        await world.scheduler.start("callback \(delivery.number)", in: &group) {
            do throws(TaskServiceError) {
                let wasTaken = try await delivery.perform(on: callbacks, body: body)
                trace.note("\(delivery.kind) of \(delivery.record) was \(wasTaken ? "taken" : "refused")")
                inbox.put(.delivered(delivery, wasTaken: wasTaken))
            } catch {
                trace.note("\(delivery.kind) of \(delivery.record): \(error.code)")
            }
        }
    }

    /// Lets a loop claim work.
    func claim(_ index: Int, _ group: inout DiscardingTaskGroup) async {
        guard let loop = daemon?.loops[index], !loops[index].isClaiming else { return }
        loops[index].isClaiming = true
        if loop.name == "follower", let shared { followed = shared.truth.commits }
        let inbox = inbox
        await world.scheduler.start("claim \(loop.name)", in: &group) {
            inbox.put(.claimed(index, await loop.claim()))
        }
    }
}

extension CallbackDriver.Delivery {
    /// Delivers it; returns whether its token was known.
    func perform(on callbacks: CallbackReceiver, body: [UInt8]) async throws(TaskServiceError) -> Bool {
        // As in the route: the token is looked up before the body is read.
        guard try await callbacks.isKnown(callbackToken: token) else { return false }
        // A delivery that must be repeated is stored as well.
        return try await callbacks.deliver(CallbackBody(body), to: token) != .unknownToken
    }
}

/// Collects the messages from simulated tasks to the driver.
final class Inbox<Message: Sendable>: Sendable {
    private let messages = Mutex<[Message]>([])

    func put(_ message: Message) { messages.withLock { $0.append(message) } }

    func takeAll() -> [Message] {
        messages.withLock { messages in
            defer { messages = [] }
            return messages
        }
    }
}

/// The result of a history without violations.
struct Report: Sendable {
    let seed: UInt64
    let fingerprint: UInt64
    let steps: Int
    let incarnations: Int
    let tasks: Int
    let billed: Int
    /// The tasks whose details were removed.
    let stubs: Int
    /// The tasks that were removed as a whole.
    let gone: Int
}
