import TaskModel

/// The expected figures that `scripts/check-schedule.sh` compares with a running daemon.
struct DaemonCheck {
    /// The mean task duration in seconds, and its coefficient of variation.
    let mean: Double
    let variation: Double
    /// The number of tasks in flight when they share queries.
    let inFlight: Int

    /// Parses `check MEAN CV IN_FLIGHT`; nil for anything else.
    init?(_ arguments: [String]) {
        guard arguments.count == 4, arguments[0] == "check", let mean = Double(arguments[1]), mean > 0,
            let variation = Double(arguments[2]), variation > 0, let inFlight = Int(arguments[3]), inFlight > 0
        else { return nil }
        self.mean = mean
        self.variation = variation
        self.inFlight = inFlight
    }

    /// Calls per task and mean latency, for one task at a time and for tasks that share queries.
    var lines: [String] {
        let truth = TrueDurations.logNormal(mean: mean, cv: variation)
        let one = OneTask(seed: 1, lessons: 200, tasks: 20).pollux(on: truth, price: 0.5)
        let many = ManyTasks(seed: 1, inFlight: inFlight, tasks: 20_000).pollux(on: truth)
        return [one, many].map { "\($0.callsPerTask) \($0.meanLateness)" }
    }
}
