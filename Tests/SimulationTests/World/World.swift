import PollingPolicy
import ProviderCatalog
import Synchronization
import TaskModel

/// What outlives every crash: time, the provider, the dice, and what is wrong with the world right now.
final class World: Sendable {
    let seed: UInt64
    let catalog: ProviderCatalog
    let turnstile = Turnstile()
    let clock: SimulatedClock
    let trace: Trace
    let dice: Dice
    /// Decides about commits of which nobody knows; apart, so that histories without them stay as they are.
    let doubts: Dice
    let truth: ProviderTruth
    let courier: Courier
    /// Whether tasks are asked for so often that only the provider's rate holds it back: in one history of
    /// eighteen, since it takes four times as many steps and shows one thing more.
    let isHurried: Bool
    /// When tasks are asked for.
    let polling: PollingPolicy
    /// How the provider echoes requests and pages its list: faithfully in two histories of three, whatever their dice.
    let habit: EchoHabit
    /// Whether the daemons of this history ask for callbacks.
    let usesCallbacks: Bool
    private let state: Mutex<State>

    private struct State {
        var weather: Weather
        var isDiskFull = false
        /// How many commits in a thousand may be on disk or not.
        var unknownCommits = 0
        var isTouched = true
        var refusedWrites = 0
    }

    init(seed: UInt64, catalog: ProviderCatalog, tail: Int, habit forced: EchoHabit? = nil) {
        self.seed = seed
        self.catalog = catalog
        clock = SimulatedClock(turnstile: turnstile)
        trace = Trace(clock: clock, tail: tail)
        dice = Dice(seed: seed &* 0x9e37_79b9_7f4a_7c15 &+ 1)
        // Half of the histories, whatever their dice, and half of those in a hurry.
        usesCallbacks = seed / 3 % 2 == 1
        isHurried = [3, 12].contains(seed % 36)
        let habits = EchoHabit.allCases
        habit = forced ?? (seed % 3 == 2 ? habits[Int(seed / 3) % habits.count] : .verbatim)
        polling =
            isHurried
            ? PollingPolicy(minGap: .milliseconds(200), maxGap: .seconds(10), latencyPrice: .milliseconds(5))
            : PollingPolicy()
        courier = Courier(dice: Dice(seed: seed ^ 0x5851_f42d_4c95_7f2d), clock: clock)
        truth = ProviderTruth(dice: dice, clock: clock, trace: trace, courier: courier)
        doubts = Dice(seed: seed ^ 0x2545_f491_4f6c_dd1d)
        state = Mutex(State(weather: Weather(dice: dice), unknownCommits: seed % 5 == 2 ? 60 : 0))
    }

    /// What goes wrong how often.
    var weather: Weather { state.withLock { $0.weather } }

    /// Whether the disk has no room for writes.
    var isDiskFull: Bool {
        get { state.withLock { $0.isDiskFull } }
        set { state.withLock { $0.isDiskFull = newValue } }
    }

    /// Whether nobody can say what became of the write that comes now.
    func losesCommit() -> Bool { doubts.happens(state.withLock { $0.unknownCommits }) }

    /// From now on nothing goes wrong any more, and the clock is right.
    func heal() {
        note("the world heals")
        state.withLock { state in
            state.weather = .fair
            state.isDiskFull = false
            state.unknownCommits = 0
        }
        courier.heal()
        clock.correct()
    }

    /// Something changed that is worth a look.
    func touch() { state.withLock { $0.isTouched = true } }

    /// Whether something changed since the last look.
    func takeTouch() -> Bool {
        state.withLock { state in
            defer { state.isTouched = false }
            return state.isTouched
        }
    }

    /// Writes into the trace who did what.
    func note(_ text: String) { trace.note("\(Turnstile.player): \(text)") }
}
