import SQLiteDriver
import Synchronization
import TaskEngine
import TaskModel
import TaskStore
import VerbatimJSON

/// Runs one history: decides who goes on, when time passes, what breaks, and looks after every step whether all holds.
final class Director {
    /// What a player leaves for the director.
    enum Message: Sendable {
        case started(Life)
        case startFailed(String)
        case claimed(Int, Life.Claim)
        case answered(Action, Result<TaskID?, TaskServiceError>)
        case delivered(Courier.Delivery, wasTaken: Bool)
    }

    /// How a life of the daemon ended.
    enum End { case crashed, over }

    /// What is known of a loop between its claims.
    struct LoopState {
        var isClaiming = false
        /// It sleeps after a failure, and hears nothing.
        var isDeaf = false
        /// It comes back at this point of the wall clock, when so much time has passed, or when it is signalled.
        var due: (wall: Timestamp, steady: Int64)
    }

    let world: World
    let disk: Disk
    let audit: Audit
    let mutant: Mutant?
    var people: People
    var life: Life?
    var loops: [LoopState] = []
    private let inbox = Inbox()
    private var lives = 0
    private(set) var steps = 0
    private let stormLength: Int
    var healedAt: Int64?
    /// Since when nobody has decided anything.
    var quietSince: Int64 = 0
    /// What a person lifts once the world has healed.
    var toResume: [String] = []
    private var pulse = Life.Pulse()

    init(seed: UInt64, stage: Stage, mutant: Mutant? = nil, tail: Int = 120) throws {
        world = World(seed: seed, catalog: stage.catalog, tail: tail, habit: mutant?.habit)
        disk = try Disk(stage: stage, name: stage.nextName())
        audit = try Audit(world: world, path: disk.path)
        self.mutant = mutant
        let dice = world.dice
        let now = world.clock.now()
        // Where the list hides one endpoint, the two that share it are what matters.
        let usual = world.habit == .hidesEdits ? ["image/make", "image/edit", "image/edit"] : Intent.endpoints
        let endpoints = mutant?.endpoint.map { [$0] } ?? usual
        let intents = (1...dice.roll(1...5)).map { Intent(number: $0, dice: dice, now: now, endpoints: endpoints) }
        people = People(intents: intents)
        stormLength = dice.roll(20...120)
        // Tasks of other programs of the account, which are nobody's here; sometimes more than a page of them.
        for number in 0..<(dice.happens(100) ? dice.roll(5...30) : dice.roll(0...2)) {
            let path = dice.pick(["/image/make", "/song/audios"]) ?? ""
            world.truth.accept(
                .init(sender: nil, path: path, body: JSONObject([("prompt", .string("what others want \(number)"))])))
        }
    }

    /// Lives and crashes until everything has ended.
    func run() async throws -> Report {
        while true {
            let end = try await live().get()
            if case .over = end { break }
        }
        return Report(
            seed: world.seed, fingerprint: world.trace.fingerprint, steps: steps, lives: lives,
            tasks: audit.tasks.count, billed: world.truth.records.count { $0.sender != nil })
    }

    /// The same, with what went wrong as a value.
    func runAndTell() async -> Result<Report, any Error> {
        do { return .success(try await run()) } catch { return .failure(error) }
    }

    /// One life of the daemon, from its start to its end.
    private func live() async -> Result<End, any Error> {
        let pulse = Life.Pulse()
        self.pulse = pulse
        return await withDiscardingTaskGroup { group in
            do throws(any Error) {
                lives += 1
                world.trace.note("life \(lives)")
                try audit.begin(life: lives, path: disk.path)
                let sqlite = try SQLiteDriver.open(path: disk.path, writing: .callers)
                let end: Result<End, any Error>
                do { end = .success(try await direct(&group, on: sqlite)) } catch { end = .failure(error) }
                await bury(&group)
                let result = try end.get()
                // What the dead one still had in the network went out while it lived.
                try audit.check(people)
                // The provider calls on while nobody listens.
                if case .crashed = result, world.usesCallbacks {
                    world.courier.lose(until: world.clock.steady + Int64(world.dice.roll(0...20_000)))
                }
                if case .crashed = result { try disk.crash(losingLog: mutant?.losesLog ?? false) }
                try sqlite.close()
                return .success(result)
            } catch {
                await bury(&group)
                return .failure(error)
            }
        }
    }

    /// Whoever is left runs to the end, without any effect.
    private func bury(_ group: inout DiscardingTaskGroup) async {
        pulse.stop()
        group.cancelAll()
        while let ticket = world.turnstile.waiting.first { await world.turnstile.admit(ticket) }
        for message in inbox.takeAll() {
            if case .answered(.submit(let number, _), _) = message { settle(number) { $0.unanswered += 1 } }
        }
        life = nil
        loops = []
    }

    private func direct(_ group: inout DiscardingTaskGroup, on sqlite: SQLiteDriver) async throws -> End {
        let (world, inbox, pulse, number, mutant, path) = (world, inbox, pulse, lives, mutant, disk.path)
        await world.turnstile.enter("start", in: &group) {
            do {
                let life = try await Life(
                    on: sqlite, path: path, in: world, number: number, pulse: pulse, mutant: mutant)
                inbox.put(.started(life))
            } catch {
                inbox.put(.startFailed("\(error)"))
            }
        }
        while true {
            for message in inbox.takeAll() {
                if await handle(message, &group) { return .crashed }
            }
            if world.takeTouch() { try audit.check(people) }
            steps += 1
            if healedAt == nil, steps > stormLength {
                heal()
                // As often as not the daemon has to be started again.
                if world.dice.happens(500) { return .crashed }
            }
            if healedAt != nil {
                if let next = try afterwards() {
                    guard case .some(let action) = next else { return .over }
                    await act(action, &group)
                    continue
                }
            } else if await storm(&group) {
                return .crashed
            }
            try await go(&group)
        }
    }

    /// Takes what a player left; true where the daemon could not start.
    private func handle(_ message: Message, _ group: inout DiscardingTaskGroup) async -> Bool {
        let now = (wall: world.clock.now(), steady: world.clock.steady)
        switch message {
        case .started(let life):
            self.life = life
            loops = life.loops.map { _ in LoopState(due: now) }
        case .startFailed(let why):
            world.trace.note("it cannot start: \(why)")
            world.clock.advance(toSteady: now.steady + 1_000)
            if world.dice.happens(400) { world.isDiskFull = false }
            return true
        case .claimed(let index, let claim):
            loops[index].isClaiming = false
            loops[index].isDeaf = if case .failure = claim.next { true } else { false }
            switch claim.next {
            case .success(let next):
                // As the loop itself: no spinning, and what rests on a clock that was set back since is no reason to sleep for
                // hours.
                let soonest = now.wall + .milliseconds(claim.pieces.isEmpty ? 5 : 0)
                let wall = min(max(next, soonest), now.wall + .seconds(60))
                loops[index].due = (wall, world.clock.steady(at: wall))
            case .failure: loops[index].due = (now.wall + .seconds(1), now.steady + 1_000)
            }
            for piece in claim.pieces {
                await world.turnstile.enter(piece.name, in: &group) { await piece.perform() }
            }
        case .delivered(let delivery, let wasTaken):
            audit.note(delivery, wasTaken: wasTaken)
            world.touch()
        case .answered(let action, let answer):
            hear(answer, to: action)
            world.touch()
        }
        return false
    }

    private func hear(_ answer: Result<TaskID?, TaskServiceError>, to action: Action) {
        let words =
            switch answer {
            case .success(let id): id?.text ?? "done"
            case .failure(let error): error.code
            }
        world.trace.note("\(action.words): \(words)")
        if case .bringReply(let late) = action, case .success = answer { audit.note(late) }
        if case .success(let id?) = answer { people.promised.insert(id.text) }
        guard case .submit(let number, _) = action else { return }
        settle(number) { intent in
            switch answer {
            case .success(let id): intent.answered = id
            case .failure(.store(.unknown)): intent.unanswered += 1
            case .failure: intent.refusals += 1
            }
        }
    }

    /// A try of that intent is over.
    private func settle(_ number: Int, _ change: (inout Intent) -> Void) {
        guard let index = people.intents.firstIndex(where: { $0.number == number }) else { return }
        people.intents[index].asking -= 1
        change(&people.intents[index])
    }

    /// Somebody does something.
    func act(_ action: Action, _ group: inout DiscardingTaskGroup) async {
        guard let life else { return }
        switch action {
        case .submit(let number, _):
            if let index = people.intents.firstIndex(where: { $0.number == number }) {
                people.intents[index].asking += 1
            }
        case .cancel(let id): people.cancelled.insert(id)
        case .reopen(let id): people.reopened.insert(id)
        case .resolve(let id, .resubmit): people.resubmissions[id, default: 0] += 1
        case .pause(let endpoint): people.paused.insert(endpoint)
        case .resolve, .misuseKey, .track, .resume, .bringReply: break
        }
        let inbox = inbox
        await world.turnstile.enter(action.words, in: &group) {
            let answer: Result<TaskID?, TaskServiceError>
            do throws(TaskServiceError) {
                answer = .success(try await action.perform(on: life))
            } catch {
                answer = .failure(error)
            }
            inbox.put(.answered(action, answer))
        }
    }

    /// The provider, or a stranger, calls.
    func deliver(_ delivery: Courier.Delivery, _ group: inout DiscardingTaskGroup) async {
        world.courier.remove(delivery)
        guard let service = life?.service else { return world.trace.note("nobody takes a callback") }
        let body = delivery.body(
            by: ProviderWords(truth: world.truth, now: world.clock.providerNow, habit: world.habit))
        if delivery.isLastWord { world.truth.forget(delivery.record) }
        let (inbox, trace) = (inbox, world.trace)
        await world.turnstile.enter("callback \(delivery.number)", in: &group) {
            do throws(TaskServiceError) {
                // As the route does it: the token is looked up before the body is read.
                let isKnown = try await service.isKnown(callbackToken: delivery.token)
                let answer = isKnown ? try await service.deliver(CallbackBody(body), to: delivery.token) : .unknownToken
                // What is asked for once more was kept all the same.
                let wasTaken = answer != .unknownToken
                trace.note("\(delivery.kind) of \(delivery.record) was \(wasTaken ? "taken" : "refused")")
                inbox.put(.delivered(delivery, wasTaken: wasTaken))
            } catch {
                trace.note("\(delivery.kind) of \(delivery.record): \(error.code)")
            }
        }
    }

    /// A loop looks for work.
    func claim(_ index: Int, _ group: inout DiscardingTaskGroup) async {
        guard let loop = life?.loops[index], !loops[index].isClaiming else { return }
        loops[index].isClaiming = true
        let inbox = inbox
        await world.turnstile.enter("claim \(loop.name)", in: &group) {
            inbox.put(.claimed(index, await loop.claim()))
        }
    }
}

/// What players leave for the director.
private final class Inbox: Sendable {
    private let messages = Mutex<[Director.Message]>([])

    func put(_ message: Director.Message) { messages.withLock { $0.append(message) } }

    func takeAll() -> [Director.Message] {
        messages.withLock { messages in
            defer { messages = [] }
            return messages
        }
    }
}

/// What became of a history in which everything held.
struct Report: Sendable {
    let seed: UInt64
    let fingerprint: UInt64
    let steps: Int
    let lives: Int
    let tasks: Int
    let billed: Int
}
