import PollingPolicy
import Randomness
import TaskModel

/// A provider that is three times slower from one task to the next, after a hundred at its usual pace.
package struct RegimeChange: Sendable {
    let seed: UInt64
    let rounds: Int
    let cv: Double

    /// Plays the change `rounds` times, with tasks that vary by `cv`.
    package init(seed: UInt64, rounds: Int, cv: Double) {
        self.seed = seed
        self.rounds = rounds
        self.cv = cv
    }

    /// Tasks after the change, by their number.
    package static let stretches = [0..<5, 5..<10, 10..<20, 20..<50, 50..<100]

    /// What tasks cost in each stretch after the change.
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

    /// What the best schedule for the new pace costs.
    package func optimum(price: Double = 0.5) -> Tally {
        let truth = TrueDurations.logNormal(mean: 180, cv: cv)
        return OneTask(seed: seed, lessons: rounds, tasks: 100).optimum(on: truth, price: price)
    }
}
