/// The fault probabilities of a history in thousandths, drawn from its seed.
struct FaultPlan: Sendable {
    /// Paid requests that get lost, or whose reply is lost, broken, late or an error.
    var paid = 0
    /// Polls that fail.
    var polls = 0
    /// Records that appear late in the list and in look-ups.
    var hidden = 0
    /// Of those, the ones that appear only after an absence proof or after a resubmission.
    var late = 0
    /// Per step: the disk becomes full.
    var fullDisk = 0
    /// Per step: the wall clock is set.
    var jumps = 0
    /// Per step: the provider forgets a task.
    var forgetting = 0
    /// Per step: the daemon crashes.
    var crashes = 0
    /// Per step: another program sends a request that contains one of the clients' requests.
    var foreignTasks = 0
    /// Per step: a person copies the database.
    var copies = 0
    /// Per step: a second daemon appears on the same database.
    var rivals = 0

    /// No faults.
    static let none = FaultPlan()

    init() {}

    /// Draws the probabilities of one history.
    init(random: SharedRandom) {
        paid = random.pick([0, 100, 400, 800]) ?? 0
        polls = random.pick([0, 100, 400]) ?? 0
        hidden = random.pick([0, 200, 700]) ?? 0
        late = random.pick([100, 300, 900]) ?? 0
        fullDisk = random.pick([0, 0, 0, 15]) ?? 0
        jumps = random.pick([0, 0, 0, 8]) ?? 0
        forgetting = random.pick([0, 0, 0, 4]) ?? 0
        crashes = random.pick([0, 8, 25, 60]) ?? 0
        foreignTasks = random.pick([0, 0, 10, 40]) ?? 0
        copies = random.pick([0, 0, 30]) ?? 0
        rivals = random.pick([0, 0, 15, 60]) ?? 0
    }
}
