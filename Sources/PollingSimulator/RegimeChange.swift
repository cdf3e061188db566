import PollingPolicy
import Randomness
import TaskModel

/// Simulates a provider that becomes three times slower after a hundred tasks.
package struct RegimeChange: Sendable {
    let seed: UInt64
    let rounds: Int
    let cv: Double

    /// Repeats the change `rounds` times. The durations have the coefficient of variation `cv`.
    package init(seed: UInt64, rounds: Int, cv: Double) {
        self.seed = seed
        self.rounds = rounds
        self.cv = cv
    }

    /// Ranges of task numbers after the change.
    package static let stretches = [0..<5, 5..<10, 10..<20, 20..<50, 50..<100]

    /// The cost per range after the change.
    package func pollux(price: Double = 0.5) -> [Tally] {
        var tallies = Self.stretches.map { _ in Tally() }
        let policy = PollingPolicy(latencyPrice: .seconds(rounding: price))
        let before = TrueDurations.logNormal(mean: 60, cv: cv)
        for round in 0..<rounds {
            var drawn = SeededRandom(seed: seed &+ UInt64(round))
            var chance = SeededRandom(seed: seed &+ UInt64(round) &+ 0xd1ce_0000)
            var model = DurationModel(typical: .seconds(60))
            for _ in 0..<100 {
                model.learn(.exact(.seconds(rounding: before.draw(using: &drawn).seconds), succeeded: true))
            }
            for (place, stretch) in Self.stretches.enumerated() {
                for _ in stretch {
                    let seconds = before.draw(using: &drawn).seconds * 3
                    let played = Schedule.pollux(policy, model).play(seconds, using: &chance)
                    tallies[place].add(played)
                    model.learn(played.sample(succeeded: true))
                }
            }
        }
        return tallies
    }

    /// The cost of the optimal schedule for the slower provider.
    package func optimum(price: Double = 0.5) -> Tally {
        let truth = TrueDurations.logNormal(mean: 180, cv: cv)
        return OneTask(seed: seed, lessons: rounds, tasks: 100).optimum(on: truth, price: price)
    }
}
