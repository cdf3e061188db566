import Synchronization
import TaskEngine
import TaskModel
import TaskStore
import VerbatimJSON

/// A submission that a program wants to make once, through the gateway. It repeats the request until it has a reply.
struct PassedIntent: Sendable {
    let number: Int
    let submission: GatewaySubmission
    /// What the provider gets of it: everything but the callback address.
    let request: JSONObject
    var isAsking = false
    /// The number of tries that may have been stored, and whose replies were lost.
    var lost = 0
    /// The number of tries whose connection failed before the gateway saw it.
    var refused = 0
    /// When the gateway wrote a reply that a proxy lost; nil if the last try ended in another way.
    var lostBehindProxyAt: Timestamp?
    /// How many tries came too late for a counted retry. Each may have become a new task.
    var late = 0
    /// The task in the reply that the program received.
    var task: TaskID?

    var kind: Kind { Kind(rawValue: submission.program) ?? .parallel }
    var wantsToAsk: Bool { task == nil && !isAsking }
    var hasBegun: Bool { isAsking || lost > 0 || task != nil }

    /// What a program's client does.
    enum Kind: String, CaseIterable {
        /// Makes equal requests at the same time.
        case parallel
        /// Counts its retries, and makes one request at a time.
        case counting
        /// Counts its retries, and makes equal requests at the same time.
        case both

        var counts: Bool { self != .parallel }
    }

    private init(number: Int, kind: Kind, endpoint: EndpointName, mark: UInt8, callsBack: Bool) {
        self.number = number
        request = JSONObject([("prompt", "what a program asks for")])
        var submission = GatewaySubmission(
            endpoint: endpoint, request: request, program: kind.rawValue,
            contentKey: [UInt8](repeating: mark, count: 32))
        if callsBack { submission.request["callback_url"] = "http://127.0.0.1:9/ended" }
        submission.deliversCallback = callsBack
        self.submission = submission
    }

    /// Draws the intents of a history: equal ones of programs of each kind.
    static func all(random: SharedRandom, callsBack: Bool) -> [PassedIntent] {
        guard let endpoint = random.pick(["image/make", "song/audios"]).flatMap({ EndpointName($0) }) else { return [] }
        let counts: [Kind: Int] = [
            .parallel: random.integer(in: 1...4), .counting: random.integer(in: 0...2),
            .both: random.integer(in: 0...3),
        ]
        var intents: [PassedIntent] = []
        for (place, kind) in Kind.allCases.enumerated() {
            for _ in 0..<(counts[kind] ?? 0) {
                intents.append(
                    PassedIntent(
                        number: intents.count, kind: kind, endpoint: endpoint, mark: UInt8(place + 1),
                        callsBack: callsBack))
            }
        }
        return intents
    }
}

/// One request of a program, and what its connection does.
struct PassedTry: Sendable {
    /// What becomes of the request and its reply.
    enum Fate: Sendable {
        /// The connection fails before the gateway sees the request.
        case refused
        /// The connection ends before the reply is written.
        case lost
        /// The gateway writes the reply, and a proxy loses it.
        case lostBehindProxy
        case delivered
    }

    let number: Int
    let submission: GatewaySubmission
    /// How long the connection stays open after the task is stored, in milliseconds.
    let open: Int
    let fate: Fate
    /// How soon the program polls the task, in milliseconds.
    let firstPoll: Int

    /// What a try brought.
    struct Outcome: Sendable {
        let task: TaskID
        let isJoined: Bool
        /// When the gateway had written the reply.
        let at: Timestamp
    }

    func perform(on daemon: DaemonIncarnation) async throws(TaskServiceError) -> Outcome? {
        guard fate != .refused else { return nil }
        let admission = try await daemon.gateway.submit(submission)
        if open > 0 { await daemon.wait(milliseconds: open) }
        // A dead daemon writes no reply, and neither does one that others may have taken for dead.
        guard !daemon.isDead else { return nil }
        guard admission.mayAnswer else {
            if let exchange = admission.exchange { daemon.gateway.report(.undelivered, of: exchange) }
            return nil
        }
        if let exchange = admission.exchange {
            daemon.gateway.report(fate == .lost ? .undelivered : .delivered, of: exchange)
        }
        let world = daemon.world
        let outcome = Outcome(task: admission.task, isJoined: admission.isJoined, at: world.clock.now())
        world.programs.note(outcome, of: number, isWritten: fate != .lost)
        guard fate == .delivered else { return outcome }
        // The program has the id now, and polls soon.
        await daemon.wait(milliseconds: firstPoll)
        guard !daemon.isDead else { return outcome }
        daemon.gateway.fates.noteAsked(about: admission.task, at: world.clock.now())
        world.programs.noteAsked(about: admission.task, at: world.clock.now())
        return outcome
    }
}

extension Clients {
    /// The next request of a program; nil if none has one to make.
    func passedTry(random: SharedRandom) -> PassedTry? {
        let ready = passed.filter { intent in
            intent.wantsToAsk
                && !(intent.kind == .counting
                    && passed.contains {
                        $0.kind == .counting && $0.number < intent.number && $0.task == nil
                    })
        }
        guard let intent = random.pick(ready) else { return nil }
        var submission = intent.submission
        submission.isCountedRetry = intent.kind.counts && intent.lost + intent.refused > 0
        submission.rule = JoinRule(retryWindow: .seconds(1_000_000))
        let fates: [PassedTry.Fate] =
            intent.kind.counts
            ? [.delivered, .delivered, .lost, .refused, .lostBehindProxy] : [.delivered, .lost, .refused]
        return PassedTry(
            number: intent.number, submission: submission,
            open: random.happens(500) ? random.integer(in: 1...25_000) : 0, fate: random.pick(fates) ?? .delivered,
            firstPoll: random.integer(in: 0...9_000))
    }

    /// Begins a try.
    mutating func begin(_ attempt: PassedTry) {
        guard let index = passed.firstIndex(where: { $0.number == attempt.number }) else { return }
        passed[index].isAsking = true
        if passed[index].lostBehindProxyAt != nil, attempt.fate != .refused { passed[index].late += 1 }
    }

    /// Ends a try. `answer` is what the daemon said, if it still ran.
    mutating func settle(_ attempt: PassedTry, _ answer: Result<TaskID?, TaskServiceError>, in world: World) {
        let outcome = world.programs.takeOutcome(of: attempt.number)
        let now = outcome?.at ?? world.clock.now()
        guard let index = passed.firstIndex(where: { $0.number == attempt.number }) else { return }
        var intent = passed[index]
        defer { passed[index] = intent }
        intent.isAsking = false
        guard attempt.fate != .refused else {
            intent.refused += 1
            return
        }
        let isRefused =
            switch (outcome, answer) {
            case (nil, .failure(.store(.unknown))), (nil, .success), (.some, _): false
            case (nil, .failure): true
            }
        if let written = intent.lostBehindProxyAt {
            // In time it must have joined. Late, it may have become a second task.
            let isInTime = !world.isClockSet && now - written <= JoinRule.deliveredWindow
            if isRefused || isInTime { intent.late -= 1 }
            if outcome != nil { intent.lostBehindProxyAt = nil }
        }
        guard !isRefused else { return }
        guard let outcome else {
            intent.lost += 1
            return
        }
        if attempt.fate == .delivered {
            intent.task = outcome.task
        } else {
            intent.lost += 1
            if attempt.fate == .lostBehindProxy { intent.lostBehindProxyAt = outcome.at }
        }
    }
}

/// What programs that use the gateway have seen, in all lives of the daemon.
final class Programs: Sendable {
    private struct State {
        var outcomes: [Int: PassedTry.Outcome] = [:]
        var asked: [String: Timestamp] = [:]
        var written: [String: [Timestamp]] = [:]
    }

    private let state = Mutex(State())

    /// Notes what the latest try of an intent brought. `isWritten` says that the gateway wrote all of the reply.
    func note(_ outcome: PassedTry.Outcome, of intent: Int, isWritten: Bool) {
        state.withLock { state in
            state.outcomes[intent] = outcome
            if isWritten { state.written[outcome.task.text, default: []].append(outcome.at) }
        }
    }

    /// When replies about the task were written.
    func written(about task: String) -> [Timestamp] { state.withLock { $0.written[task] ?? [] } }

    /// What the latest try brought; nil if the gateway wrote no reply.
    func takeOutcome(of intent: Int) -> PassedTry.Outcome? {
        state.withLock { $0.outcomes.removeValue(forKey: intent) }
    }

    /// Notes that the program that has a task's id has asked about it.
    func noteAsked(about task: TaskID, at now: Timestamp) {
        state.withLock { $0.asked[task.text] = $0.asked[task.text] ?? now }
    }

    /// When a program first asked about the task; nil if none has.
    func askedAt(_ task: String) -> Timestamp? { state.withLock { $0.asked[task] } }
}
