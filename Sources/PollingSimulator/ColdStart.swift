import PollingPolicy
import Randomness
import TaskModel

/// The first tasks of their kind, when all that is known is a documented time, which may be wrong.
package struct ColdStart: Sendable {
    let seed: UInt64
    /// How many times a first task is played for each combination.
    let rounds: Int
    /// How much too short or too long the document is.
    package static let errors = [0.25, 0.5, 1, 2, 4]

    /// Plays each combination `rounds` times.
    package init(seed: UInt64, rounds: Int) {
        self.seed = seed
        self.rounds = rounds
    }

    /// What the first `tasks` tasks cost, over all wrong documents; it learns from each as its own polls tell.
    package func pollux(on truth: TrueDurations, tasks: Int, price: Double = 0.5) -> Tally {
        var tally = Tally()
        let policy = PollingPolicy(latencyPrice: .seconds(rounding: price))
        for error in Self.errors {
            for round in 0..<rounds {
                var drawn = SeededRandom(seed: seed &+ UInt64(round))
                var chance = SeededRandom(seed: seed &+ UInt64(round) &+ 0xd1ce_0000)
                var model = DurationModel(typical: .seconds(rounding: truth.mean * error))
                for _ in 0..<tasks {
                    let task = truth.draw(using: &drawn)
                    let played = Schedule.pollux(policy, model).play(task.seconds, using: &chance)
                    tally.add(played)
                    model.learn(played.sample(succeeded: task.succeeds))
                }
            }
        }
        return tally
    }

    /// What a fixed gap costs on the same tasks.
    package func fixed(_ gap: Double, on truth: TrueDurations, tasks: Int) -> Tally {
        var tally = Tally()
        for round in 0..<rounds {
            var drawn = SeededRandom(seed: seed &+ UInt64(round))
            var chance = drawn
            for _ in 0..<tasks {
                tally.add(Schedule.fixed(gap).play(truth.draw(using: &drawn).seconds, using: &chance))
            }
        }
        return tally
    }
}

extension Played {
    /// What a task taught whose provider does not tell its times.
    func sample(succeeded: Bool) -> DurationSample {
        .interval(after: .seconds(rounding: pending), by: .seconds(rounding: noticed), succeeded: succeeded)
    }
}
