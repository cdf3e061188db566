import PollingPolicy
import Randomness
import TaskModel

/// Decides when to poll one task.
enum Schedule {
    case fixed(Double)
    case smithy
    case google
    case optimum(Optimum)
    case pollux(PollingPolicy, DurationModel)

    /// The gap after the poll number `polls` at that age. Number 0 is the submission.
    func gap(after polls: Int, at age: Double, using chance: inout SeededRandom) -> Double {
        switch self {
        case .fixed(let gap):
            return gap
        case .smithy:
            // https://smithy.io/2.0/additional-specs/waiters.html#waiter-retries, with its default bounds of 2 and
            // 120 s. The first call is immediate; later gaps depend on the attempt number.
            let attempt = polls
            guard attempt > 0 else { return 0 }
            let bound = attempt > 6 ? 120 : 2 * Double(1 << (attempt - 1))
            return Double.random(in: 2...max(bound, 2), using: &chance)
        case .google:
            // `initial_poll_delay`, `poll_delay_multiplier` and `max_poll_delay` as documented for long-running operations
            // of Google's generated clients: 5 s, 1.5, 45 s.
            return min(5 * exponential(logarithm(1.5) * Double(polls)), 45)
        case .optimum(let optimum):
            return optimum.gap(at: age)
        case .pollux(let policy, let model):
            let start = Timestamp(milliseconds: 1_800_000_000_000)
            let now = start + .seconds(rounding: age)
            let next = policy.nextPoll(after: PollHistory(submittedAt: start), model: model, now: now, using: &chance)
            return (next - now).inSeconds
        }
    }

    /// Simulates one task to its end: the number of calls, the latency, and the polls around the end.
    func play(_ seconds: Double, using chance: inout SeededRandom) -> SimulatedRun {
        var age = 0.0
        var calls = 0
        while true {
            let before = age
            age += gap(after: calls, at: age, using: &chance)
            calls += 1
            if age >= seconds {
                return SimulatedRun(calls: calls, lateness: age - seconds, pending: before, noticed: age)
            }
        }
    }
}

/// The result of one simulated task.
struct SimulatedRun {
    let calls: Int
    let lateness: Double
    /// The age at the last poll that found it running, and at the one that found it ended.
    let pending: Double
    let noticed: Double
}

/// The cost of many tasks.
package struct Tally: Sendable {
    private var latenesses: [Double] = []
    private var calls = 0

    mutating func add(_ played: SimulatedRun) {
        latenesses.append(played.lateness)
        calls += played.calls
    }

    mutating func add(lateness: Double) { latenesses.append(lateness) }
    mutating func add(calls: Int) { self.calls += calls }

    /// The number of tasks.
    package var tasks: Int { latenesses.count }
    /// The mean number of calls per task.
    package var callsPerTask: Double { Double(calls) / Double(max(tasks, 1)) }
    /// The mean time in seconds from a task's end to its detection.
    package var meanLateness: Double { latenesses.reduce(0, +) / Double(max(tasks, 1)) }

    /// The latency quantile.
    package func lateness(quantile: Double) -> Double {
        let sorted = latenesses.sorted()
        return sorted.isEmpty ? 0 : sorted[min(Int(Double(sorted.count) * quantile), sorted.count - 1)]
    }

    /// The mean of `latency + price · calls` per task.
    package func cost(price: Double) -> Double { meanLateness + price * callsPerTask }
}
