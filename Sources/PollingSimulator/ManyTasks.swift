import PollingPolicy
import Randomness
import TaskModel

/// Many tasks in flight at once, asked for by batch queries of fifty.
///
/// A task that ends is followed by a new one at once, so that the number in flight stays.
package struct ManyTasks: Sendable {
    let seed: UInt64
    let inFlight: Int
    let tasks: Int

    /// Plays until `tasks` tasks have been seen to end.
    package init(seed: UInt64, inFlight: Int, tasks: Int) {
        self.seed = seed
        self.inFlight = inFlight
        self.tasks = tasks
    }

    private struct Running {
        let start: Double
        let end: Double
        var polledAt: Double
    }

    /// Rounds by the summed hazards, the real code, which knows 30 tasks of the kind.
    package func pollux(on truth: TrueDurations, price: Double = 0.5) -> Tally {
        var drawn = SeededRandom(seed: seed)
        var model = DurationModel(typical: .seconds(60))
        for _ in 0..<30 {
            let task = truth.draw(using: &drawn)
            model.learn(.exact(.seconds(rounding: task.seconds), succeeded: task.succeeds))
        }
        let policy = PollingPolicy(latencyPrice: .seconds(rounding: price))
        // Of any age at the start, as if they had been going on for long.
        var running = (0..<inFlight).map { _ in
            let seconds = truth.draw(using: &drawn).seconds
            let start = -Double.random(in: 0..<1, using: &drawn) * seconds
            return Running(start: start, end: start + seconds, polledAt: 0)
        }
        var now = 0.0
        var tally = Tally()
        while tally.tasks < tasks {
            let members = running.map { task in
                BatchCandidate(
                    age: .seconds(rounding: now - task.start), sinceLastPoll: .seconds(rounding: now - task.polledAt),
                    model: model)
            }
            let wait = policy.nextBatch(of: members)
            now += wait.inSeconds
            let later = members.map {
                BatchCandidate(age: $0.age + wait, sinceLastPoll: $0.sinceLastPoll + wait, model: model)
            }
            tally.add(calls: 1)
            for place in policy.selection(of: later) {
                if running[place].end <= now {
                    tally.add(lateness: now - running[place].end)
                    running[place] = Running(
                        start: now, end: now + truth.draw(using: &drawn).seconds, polledAt: now)
                } else {
                    running[place].polledAt = now
                }
            }
        }
        return tally
    }
}
