/// How often what goes wrong, in thousandths; drawn anew for every history, so that some are mild and some are wild.
struct Weather: Sendable {
    /// Paid requests that never arrive, or whose reply is lost, broken, late or an error.
    var paid = 0
    /// Status queries that go wrong.
    var polls = 0
    /// Records that the list and look-ups show late.
    var hidden = 0
    /// Writes that the disk has no room for begin to fail, per step.
    var fullDisk = 0
    /// Somebody sets the clock, per step.
    var jumps = 0
    /// The provider forgets one of its tasks, per step.
    var forgetting = 0
    /// Crashes, per step.
    var crashes = 0
    /// Other programs ask for what contains a request of ours, per step.
    var strangers = 0

    /// Nothing goes wrong.
    static let fair = Weather()

    init() {}

    /// The weather of one history.
    init(dice: Dice) {
        paid = dice.pick([0, 100, 400, 800]) ?? 0
        polls = dice.pick([0, 100, 400]) ?? 0
        hidden = dice.pick([0, 200, 700]) ?? 0
        fullDisk = dice.pick([0, 0, 0, 15]) ?? 0
        jumps = dice.pick([0, 0, 0, 8]) ?? 0
        forgetting = dice.pick([0, 0, 0, 4]) ?? 0
        crashes = dice.pick([0, 8, 25, 60]) ?? 0
        strangers = dice.pick([0, 0, 10, 40]) ?? 0
    }
}
