package import PollingPolicy
import Randomness
import TaskModel

/// One task at a time, after ten of its kind.
package struct OneTask: Sendable {
    let seed: UInt64
    /// How many times ten tasks are drawn to learn from.
    let lessons: Int
    /// How many tasks are played after each lesson.
    let tasks: Int

    /// `lessons` times ten tasks to learn from, `tasks` tasks to be judged by after each.
    package init(seed: UInt64, lessons: Int, tasks: Int) {
        self.seed = seed
        self.lessons = lessons
        self.tasks = tasks
    }

    /// What the samples are made of.
    package enum Lesson: Sendable {
        /// The provider tells its times.
        case told
        /// Only our own polls tell.
        case polled
    }

    /// What the learned schedule costs after `samples` tasks.
    package func pollux(
        on truth: TrueDurations, price: Double, samples: Int = 10, lesson: Lesson = .told,
        prior: DurationModel = DurationModel(typical: .seconds(60))
    ) -> Tally {
        var tally = Tally()
        let policy = PollingPolicy(latencyPrice: .seconds(rounding: price))
        for round in 0..<lessons {
            var chance = SeededRandom(seed: seed &+ UInt64(round))
            var model = prior
            for _ in 0..<samples {
                let task = truth.draw(using: &chance)
                switch lesson {
                case .told:
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

    /// What the best schedule for the true distribution costs on the same tasks.
    package func optimum(on truth: TrueDurations, price: Double) -> Tally {
        everyRound(
            .optimum(Optimum(of: truth, price: price, minGap: 1, maxGap: 60)), on: truth)
    }

    /// What a fixed gap costs on the same tasks.
    package func fixed(_ gap: Double, on truth: TrueDurations) -> Tally { everyRound(.fixed(gap), on: truth) }
    func smithy(on truth: TrueDurations) -> Tally { everyRound(.smithy, on: truth) }
    func google(on truth: TrueDurations) -> Tally { everyRound(.google, on: truth) }

    private func everyRound(_ schedule: Schedule, on truth: TrueDurations) -> Tally {
        var tally = Tally()
        for round in 0..<lessons { play(schedule, on: truth, round: round, into: &tally) }
        return tally
    }

    /// The tasks of a round are the same for every schedule.
    private func play(_ schedule: Schedule, on truth: TrueDurations, round: Int, into tally: inout Tally) {
        var drawn = SeededRandom(seed: seed &+ UInt64(round) &+ 0x5eed_0000)
        var chance = SeededRandom(seed: seed &+ UInt64(round) &+ 0xd1ce_0000)
        for _ in 0..<tasks { tally.add(schedule.play(truth.draw(using: &drawn).seconds, using: &chance)) }
    }
}
