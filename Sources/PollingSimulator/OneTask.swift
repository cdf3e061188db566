package import PollingPolicy
import Randomness
import TaskModel

/// Simulates one task at a time with a model trained on ten tasks.
package struct OneTask: Sendable {
    let seed: UInt64
    /// The number of training sets of ten tasks.
    let lessons: Int
    /// The number of evaluated tasks per training set.
    let tasks: Int

    /// Evaluates `tasks` tasks after each of `lessons` training sets.
    package init(seed: UInt64, lessons: Int, tasks: Int) {
        self.seed = seed
        self.lessons = lessons
        self.tasks = tasks
    }

    /// The source of the training samples.
    package enum SampleSource: Sendable {
        /// The times that the provider reports.
        case reported
        /// The times of the simulated polls.
        case polled
    }

    /// The cost of the learned schedule after `samples` tasks.
    package func pollux(
        on truth: TrueDurations, price: Double, samples: Int = 10, source: SampleSource = .reported,
        prior: DurationModel = DurationModel(typical: .seconds(60))
    ) -> Tally {
        var tally = Tally()
        let policy = PollingPolicy(latencyPrice: .seconds(rounding: price))
        for round in 0..<lessons {
            var chance = SeededRandom(seed: seed &+ UInt64(round))
            var model = prior
            for _ in 0..<samples {
                let task = truth.draw(using: &chance)
                switch source {
                case .reported:
                    model.learn(.exact(.seconds(rounding: task.seconds), succeeded: task.succeeds))
                case .polled:
                    let played = Schedule.pollux(policy, model).play(task.seconds, using: &chance)
                    model.learn(played.sample(succeeded: task.succeeds))
                }
            }
            play(.pollux(policy, model), on: truth, round: round, into: &tally)
        }
        return tally
    }

    /// The cost of the best schedule for the true distribution on the same tasks.
    package func optimum(on truth: TrueDurations, price: Double) -> Tally {
        everyRound(
            .optimum(Optimum(of: truth, price: price, minGap: 1, maxGap: 60)), on: truth)
    }

    /// The cost of a fixed gap on the same tasks.
    package func fixed(_ gap: Double, on truth: TrueDurations) -> Tally { everyRound(.fixed(gap), on: truth) }
    func smithy(on truth: TrueDurations) -> Tally { everyRound(.smithy, on: truth) }
    func google(on truth: TrueDurations) -> Tally { everyRound(.google, on: truth) }

    private func everyRound(_ schedule: Schedule, on truth: TrueDurations) -> Tally {
        var tally = Tally()
        for round in 0..<lessons { play(schedule, on: truth, round: round, into: &tally) }
        return tally
    }

    /// All schedules get the same tasks in a round.
    private func play(_ schedule: Schedule, on truth: TrueDurations, round: Int, into tally: inout Tally) {
        var drawn = SeededRandom(seed: seed &+ UInt64(round) &+ 0x5eed_0000)
        var chance = SeededRandom(seed: seed &+ UInt64(round) &+ 0xd1ce_0000)
        for _ in 0..<tasks { tally.add(schedule.play(truth.draw(using: &drawn).seconds, using: &chance)) }
    }
}
