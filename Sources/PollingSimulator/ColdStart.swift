import PollingPolicy
import Randomness
import TaskModel

/// Simulates an endpoint's first tasks, when only a documented duration is known, which may be wrong.
package struct ColdStart: Sendable {
    let seed: UInt64
    /// How often each combination is repeated.
    let rounds: Int
    /// The documented duration divided by the true one.
    package static let errors = [0.25, 0.5, 1, 2, 4]

    /// Repeats each combination `rounds` times.
    package init(seed: UInt64, rounds: Int) {
        self.seed = seed
        self.rounds = rounds
    }

    /// The cost of the first `tasks` tasks over all documentation errors. The model learns from the polls.
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

    /// The cost of a fixed gap on the same tasks.
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

extension SimulatedRun {
    /// The duration sample of a task whose provider reports no times.
    func sample(succeeded: Bool) -> DurationSample {
        .interval(after: .seconds(rounding: pending), by: .seconds(rounding: noticed), succeeded: succeeded)
    }
}
