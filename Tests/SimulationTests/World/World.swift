import PollingPolicy
import ProviderCatalog
import Synchronization
import TaskEngine
import TaskModel
import TaskStore

/// The state that survives crashes: time, provider, random generators and current faults.
final class World: Sendable {
    let seed: UInt64
    let catalog: ProviderCatalog
    let scheduler = StepScheduler()
    let clock: SimulatedClock
    let trace: Trace
    let random: SharedRandom
    /// Decides about commits with an unknown outcome. It is separate, so that it does not change other histories.
    let commitRandom: SharedRandom
    /// Decides about reloads and replaced tokens. It is separate for the same reason.
    let reloadRandom: SharedRandom
    /// Decides about programs that use the gateway. It is separate for the same reason.
    let passRandom: SharedRandom
    private let slowRandom: SharedRandom
    /// What those programs have seen.
    let programs = Programs()
    /// Decides about an agent. It is separate for the same reason.
    let agentRandom: SharedRandom
    /// Decides when a person compares the provider's lists with the tasks. It is separate for the same reason.
    let reconcileRandom: SharedRandom
    /// Whether a person does that; in one history of sixteen.
    let reconciles: Bool
    /// What the comparisons have shown.
    let comparisons = Comparisons()
    /// Prices and budgets.
    let money: SimulatedMoney
    /// The catalog without one service, as a person may reload it.
    let partialCatalog: ProviderCatalog
    /// The catalog with the provider at another base URL. It knows the same tasks there, and lists those sent there.
    let movedCatalog: ProviderCatalog
    let truth: ProviderTruth
    let accounts: SimulatedAccounts
    let callbackDriver: CallbackDriver
    /// Whether polls are so frequent that only the provider's rate limits them. Applies to one history of eighteen,
    /// because it needs four times as many steps.
    let isHurried: Bool
    /// The polling policy.
    let polling: PollingPolicy
    /// How the provider echoes requests and pages its list. Two histories of three have faithful echoes.
    let habit: EchoHabit
    /// Whether this history uses callbacks.
    let usesCallbacks: Bool
    /// The retention, in one history of four. In half of those, keys and stubs are removed too.
    let retention: RetentionPolicy
    /// The files of results. They are fetched in one history of four.
    let files = SimulatedFiles()
    let fetchesFiles: Bool
    /// Decides about downloads that fail. It is separate, so that it does not change other histories.
    private let downloadRandom: SharedRandom
    /// Whether the provider's records contain long values, which are kept in files; in one history of 32.
    let keepsParts: Bool
    let parts = SimulatedParts()
    /// A client that follows the stream; in one history of 32. It has a random generator of its own.
    let follower: Follower?
    /// Whether a destination is notified; in one history of five.
    let notifies: Bool
    /// Whether programs that use the gateway want callbacks; in a third of those histories.
    let callsBack: Bool
    /// The receiver of these callbacks.
    let callbackReceiver: SimulatedReceiver
    /// Has its own random generator, so that it does not change other histories.
    let receiver: SimulatedReceiver
    private let state: Mutex<State>

    private struct State {
        var faults: FaultPlan
        var isDiskFull = false
        /// The probability of a commit with an unknown outcome, in thousandths.
        var unknownCommits = 0
        /// The probability that a renewal of leases takes long to the database, and its reply takes long back, in
        /// thousandths.
        var slowRenewals = 0
        /// Whether paid requests fail only after their acceptance.
        var losesOnlyReplies = false
        /// The probability per step of a reload, and per paid request of a replaced token, in thousandths.
        var reloads = 0
        /// The probability that a start has the provider at another base URL, in thousandths.
        var moves = 0
        /// Whether a reload or a start has moved the provider.
        var wasMoved = false
        var isTouched = true
        /// How many downloads may still fail. Most come after the other faults have ended.
        var downloadFaults = 1_000
        var refusedWrites = 0
        var isClockSet = false
    }

    /// `severalAccounts` says whether the history has more than one, `notifies` whether it has a destination, `keepsParts`
    /// whether records have long values, `follows` whether a client follows the stream, `reconciles` whether a person
    /// compares lists with tasks, and `hasBudgets` whether there are prices and budgets; nil draws it.
    init(
        seed: UInt64, stage: Stage, tail: Int, habit forced: EchoHabit? = nil, severalAccounts: Bool? = nil,
        notifies: Bool? = nil, keepsParts: Bool? = nil, follows: Bool? = nil, reconciles: Bool? = nil,
        hasBudgets: Bool? = nil
    ) {
        self.seed = seed
        money = SimulatedMoney(seed: seed, isOn: hasBudgets ?? (seed % 10 == 7))
        let catalogs = money.isOn ? stage.pricedCatalogs : stage.catalogs
        catalog = catalogs.whole
        partialCatalog = catalogs.partial
        movedCatalog = catalogs.moved
        clock = SimulatedClock(scheduler: scheduler)
        trace = Trace(clock: clock, tail: tail)
        random = SharedRandom(seed: seed &* 0x9e37_79b9_7f4a_7c15 &+ 1)
        // Half of all histories and half of the hurried ones, independent of the random generator.
        usesCallbacks = seed / 3 % 2 == 1
        isHurried = [3, 12].contains(seed % 36)
        let habits = EchoHabit.allCases
        habit = forced ?? (seed % 3 == 2 ? habits[Int(seed / 3) % habits.count] : .verbatim)
        polling =
            isHurried
            ? PollingPolicy(minGap: .milliseconds(200), maxGap: .seconds(10), latencyPrice: .milliseconds(5))
            : PollingPolicy()
        callbackDriver = CallbackDriver(random: SharedRandom(seed: seed ^ 0x5851_f42d_4c95_7f2d), clock: clock)
        accounts = SimulatedAccounts(seed: seed, areSeveral: severalAccounts)
        self.keepsParts = keepsParts ?? (seed % 32 == 5)
        follower =
            follows ?? (seed % 32 == 21) ? Follower(random: SharedRandom(seed: seed ^ 0x1f83_d9ab_fb41_bd6b)) : nil
        truth = ProviderTruth(
            random: random, clock: clock, trace: trace, callbackDriver: callbackDriver, accounts: accounts,
            hasContent: self.keepsParts)
        commitRandom = SharedRandom(seed: seed ^ 0x2545_f491_4f6c_dd1d)
        retention = Self.retention(ofSeed: seed)
        fetchesFiles = seed % 6 == 4 || seed % 12 == 9
        downloadRandom = SharedRandom(seed: seed ^ 0x632b_e59b_d9b4_e019)
        self.notifies = notifies ?? (seed % 5 == 3)
        callsBack = self.notifies && seed % 3 == 1
        callbackReceiver = SimulatedReceiver(random: SharedRandom(seed: seed ^ 0x9b05_688c_2b3e_6c1f))
        receiver = SimulatedReceiver(random: SharedRandom(seed: seed ^ 0x1656_67c5_27d4_eb2f))
        slowRandom = SharedRandom(seed: seed ^ 0x7137_4491_23ef_65cd)
        reloadRandom = SharedRandom(seed: seed ^ 0x7f4a_7c15_9e37_79b9)
        passRandom = SharedRandom(seed: seed ^ 0x3c6e_f372_fe94_f82b)
        agentRandom = SharedRandom(seed: seed ^ 0x510e_527f_ade6_82d1)
        reconcileRandom = SharedRandom(seed: seed ^ 0x1f83_d9ab_fb41_bd6b)
        self.reconciles = reconciles ?? (seed % 16 == 9)
        state = Mutex(
            State(
                faults: FaultPlan(random: random), unknownCommits: seed % 5 == 2 ? 60 : 0,
                reloads: seed % 7 == 4 ? 50 : 0, moves: seed % 7 == 4 ? 300 : 0))
    }

    private static func retention(ofSeed seed: UInt64) -> RetentionPolicy {
        var policy = RetentionPolicy()
        guard seed % 4 == 1 else { return policy }
        let random = SharedRandom(seed: seed ^ 0x27d4_eb2f_1656_67c5)
        if random.happens(900) { policy.ended = .seconds(random.integer(in: 5...120)) }
        if random.happens(300) { policy.failed = .seconds(random.integer(in: 5...600)) }
        if random.happens(400) { policy.responses = .seconds(random.integer(in: 1...60)) }
        if random.happens(400) { policy.events = .seconds(random.integer(in: 1...60)) }
        if seed % 12 == 9, random.happens(500) { policy.artefacts = .seconds(random.integer(in: 5...120)) }
        guard random.happens(500) else { return policy }
        let least = max(policy.ended ?? .zero, policy.failed ?? .zero)
        let keys = least + .seconds(random.integer(in: 20...200))
        policy.idempotencyKeys = keys
        // It exceeds the windows of later attempts.
        policy.stubs = max(keys, .seconds(150)) + .seconds(random.happens(500) ? 0 : random.integer(in: 10...200))
        return policy
    }

    /// Whether the wall clock was ever set.
    var isClockSet: Bool {
        get { state.withLock { $0.isClockSet } }
        set { state.withLock { $0.isClockSet = newValue } }
    }

    /// The destinations of notifications.
    var destinations: [Destination] {
        guard notifies, let name = DestinationName("receiver") else { return [] }
        var destination = Destination(name: name, target: .url("https://receiver.example"))
        destination.types = Set(NotificationType.allCases)
        return [destination] + (callsBack ? [.callbacks] : [])
    }

    /// The current fault probabilities.
    var faults: FaultPlan { state.withLock { $0.faults } }

    /// Whether writes fail because the disk is full.
    var isDiskFull: Bool {
        get { state.withLock { $0.isDiskFull } }
        set { state.withLock { $0.isDiskFull = newValue } }
    }

    /// Whether the outcome of the next commit is unknown.
    func losesCommit() -> Bool { commitRandom.happens(state.withLock { $0.unknownCommits }) }

    /// Whether a person reloads the settings in this step.
    var isReloaded: Bool { reloadRandom.happens(state.withLock { $0.reloads }) }

    /// Whether the provider has been at another base URL.
    var wasMoved: Bool {
        get { state.withLock { $0.wasMoved } }
        set { state.withLock { $0.wasMoved = newValue } }
    }

    /// Moves the provider at half of all starts until the faults end.
    func moveOften() { state.withLock { $0.moves = 500 } }

    /// Loses half of the replies after acceptance, and lists the records of these late, until the faults end. All other
    /// records are listed at once, so that there are controls.
    func listLate() {
        state.withLock { state in
            state.faults.jumps = 0
            (state.faults.paid, state.faults.hidden, state.faults.late) = (500, 1_000, 900)
            state.losesOnlyReplies = true
        }
    }

    /// What goes wrong with a paid request, as a number of ``SimulatedUpstream``; nil if nothing does.
    func paidFault() -> Int? {
        let (faults, losesOnlyReplies) = state.withLock { ($0.faults, $0.losesOnlyReplies) }
        guard random.happens(faults.paid) else { return nil }
        return losesOnlyReplies ? random.integer(in: 8...11) : random.integer(in: 0...13)
    }

    /// Whether the record of a request is not listed at once.
    func isHidden(lostReply: Bool) -> Bool {
        let (faults, losesOnlyReplies) = state.withLock { ($0.faults, $0.losesOnlyReplies) }
        return random.happens(losesOnlyReplies && !lostReply ? 0 : faults.hidden)
    }

    /// Sets the clock at times until the faults end.
    func jumpOften() { state.withLock { $0.faults.jumps = 15 } }

    /// The catalog of a start.
    func catalogOfStart() -> ProviderCatalog {
        guard reloadRandom.happens(state.withLock { $0.moves }) else { return catalog }
        note("the provider is at another base URL")
        wasMoved = true
        return movedCatalog
    }

    /// Begins what befalls accounts at that fault step; true if the settings have changed.
    func beginTroubles(at step: Int) -> Bool {
        var hasChanged = false
        if let trouble = accounts.troubles[step], let name = accounts.begin(trouble) {
            trace.note("account \(name): \(trouble)")
            hasChanged = trouble == .removed
        }
        if accounts.diesAt == step, let name = accounts.kill() {
            truth.noteStop()
            trace.note("account \(name) dies")
        }
        return hasChanged
    }

    /// Whether a client copies a file in this step.
    var copiesFile: Bool { fetchesFiles && downloadRandom.happens(80) }

    func pick(_ digests: [String]) -> String? { downloadRandom.pick(digests) }

    /// What goes wrong with a download: 1 to 4; anything else means nothing.
    var downloadFault: Int {
        guard state.withLock({ $0.downloadFaults }) > 0 else { return 0 }
        let fault = downloadRandom.integer(in: 1...8)
        if fault <= 4 { state.withLock { $0.downloadFaults -= 1 } }
        return fault
    }

    /// Whether the token of the next paid request has been replaced.
    var isTokenReplaced: Bool { reloadRandom.happens(state.withLock { $0.reloads * 4 }) }

    /// Ends the faults that only a database in a file has, and the jumps of the clock, which is the database's too here.
    func spareFiles() {
        state.withLock { state in
            (state.faults.jumps, state.faults.copies, state.faults.rivals) = (0, 0, 0)
        }
    }

    /// Ends the faults of the machine and its database, which histories of several daemons do not have.
    func spareStore() {
        state.withLock { state in
            (state.faults.jumps, state.faults.fullDisk, state.faults.forgetting) = (0, 0, 0)
            (state.faults.crashes, state.faults.copies, state.faults.rivals) = (0, 0, 0)
            (state.reloads, state.moves) = (0, 0)
        }
    }

    /// Lets many renewals of leases take nearly as long as a lease lasts, until the faults end.
    func slowDown() { state.withLock { $0.slowRenewals = 400 } }

    /// How long a renewal of leases, or the reply to it, is on its way; nil if it comes at once.
    func networkDelay() -> Duration? {
        guard slowRandom.happens(state.withLock { $0.slowRenewals }) else { return nil }
        return .milliseconds(slowRandom.integer(in: 5_000...14_000))
    }

    /// Ends the faults of the provider, so that nothing but a dead daemon can delay a poll.
    func calm() {
        state.withLock { state in
            (state.faults.paid, state.faults.polls, state.faults.hidden) = (0, 0, 0)
            state.unknownCommits = 0
        }
    }

    /// Ends all faults and corrects the clock.
    func endFaults() {
        note("the world heals")
        state.withLock { state in
            state.faults = .none
            state.slowRenewals = 0
            state.isDiskFull = false
            state.unknownCommits = 0
            (state.reloads, state.moves) = (0, 0)
            state.downloadFaults = min(state.downloadFaults, 8)
        }
        callbackDriver.endFaults()
        accounts.endTroubles()
        clock.correct()
    }

    /// Marks that something changed and needs a check.
    func touch() { state.withLock { $0.isTouched = true } }

    /// Whether something has changed since the last call.
    func takeTouch() -> Bool {
        state.withLock { state in
            defer { state.isTouched = false }
            return state.isTouched
        }
    }

    /// Writes an event with the current task's name into the trace.
    func note(_ text: String) { trace.note("\(StepScheduler.taskName): \(text)") }
}
