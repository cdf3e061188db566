import PollingPolicy
import Randomness
import TaskModel

/// Simulates many tasks in flight that are polled in batches of fifty.
///
/// A new task replaces each finished one, so the number in flight is constant.
package struct ManyTasks: Sendable {
    let seed: UInt64
    let inFlight: Int
    let tasks: Int

    /// Runs until `tasks` tasks have ended.
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

    /// Uses the real scheduling code with summed hazards. The model knows 30 tasks.
    package func pollux(on truth: TrueDurations, price: Double = 0.5) -> Tally {
        var drawn = SeededRandom(seed: seed)
        var model = DurationModel(typical: .seconds(60))
        for _ in 0..<30 {
            let task = truth.draw(using: &drawn)
            model.learn(.exact(.seconds(rounding: task.seconds), succeeded: task.succeeds))
        }
        let policy = PollingPolicy(latencyPrice: .seconds(rounding: price))
        // Initial tasks have random ages, as in a system that has run for long.
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
