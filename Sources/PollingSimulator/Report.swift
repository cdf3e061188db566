import PollingPolicy
import TaskModel

/// Renders the simulation's Markdown tables for docs/reports/schedule.md.
struct Report {
    private static let prices = [0.1, 0.5, 2.0]
    private static let seed: UInt64 = 1974

    /// One task at a time, compared with other schedules and the optimum.
    static func oneTask(on laws: [TrueDurations]) -> [String] {
        var lines = [
            "| durations | schedule | calls | mean late | p50 | p99 | c = 0.1 | c = 0.5 | c = 2 |",
            "|---|---|--:|--:|--:|--:|--:|--:|--:|",
        ]
        let judge = OneTask(seed: seed, lessons: 400, tasks: 25)
        for truth in laws {
            let optima = prices.map { judge.optimum(on: truth, price: $0) }
            let best = zip(prices, optima).map { $1.cost(price: $0) }
            func add(_ name: String, _ tallies: [Tally]) {
                let ratios = zip(zip(prices, tallies), best).map { Self.two($0.1.cost(price: $0.0) / $1) }
                let middle = tallies[1]
                lines.append(
                    "| \(truth.name) | \(name) | \(one(middle.callsPerTask)) | \(one(middle.meanLateness)) s "
                        + "| \(one(middle.lateness(quantile: 0.5))) s | \(one(middle.lateness(quantile: 0.99))) s "
                        + "| \(ratios.joined(separator: " | ")) |")
            }
            add("optimum", optima)
            add("Pollux after 10 tasks", prices.map { judge.pollux(on: truth, price: $0) })
            add("… told by its polls only", prices.map { judge.pollux(on: truth, price: $0, source: .polled) })
            add("fixed 3 s", Array(repeating: judge.fixed(3, on: truth), count: 3))
            add("fixed 5 s", Array(repeating: judge.fixed(5, on: truth), count: 3))
            add("Smithy 2–120 s", Array(repeating: judge.smithy(on: truth), count: 3))
            add("Google 5–45 s", Array(repeating: judge.google(on: truth), count: 3))
        }
        return lines
    }

    /// First tasks with wrong documented durations.
    static func coldStart() -> [String] {
        var lines = [
            "| tasks of | first task | mean | first ten tasks | mean |", "|--:|--:|--:|--:|--:|",
        ]
        let judge = ColdStart(seed: seed, rounds: 300)
        for mean in [5.0, 10, 20, 60, 300] {
            let ratios = [1, 10].map { tasks in
                let all = [0.15, 0.25, 0.53, 0.95].map { cv in
                    let truth = TrueDurations.logNormal(mean: mean, cv: cv)
                    let fixed = [3.0, 5].map { judge.fixed($0, on: truth, tasks: tasks).cost(price: 0.5) }
                    return judge.pollux(on: truth, tasks: tasks).cost(price: 0.5) / min(fixed[0], fixed[1])
                }
                return all.map(two).joined(separator: " / ") + " | " + two(all.reduce(0, +) / Double(all.count))
            }
            lines.append("| \(Int(mean)) s | \(ratios.joined(separator: " | ")) |")
        }
        return lines
    }

    /// A provider that becomes three times slower.
    static func regimeChange() -> [String] {
        let names = RegimeChange.stretches.map { "tasks \($0.lowerBound + 1)–\($0.upperBound)" }
        var lines = [
            "| cv | \(names.joined(separator: " | ")) |", "|--:" + String(repeating: "|--:", count: names.count) + "|",
        ]
        for cv in [0.15, 0.25, 0.53, 0.95] {
            let change = RegimeChange(seed: seed, rounds: 200, cv: cv)
            let best = change.optimum().cost(price: 0.5)
            lines.append(
                "| \(cv) | \(change.pollux().map { two($0.cost(price: 0.5) / best) }.joined(separator: " | ")) |")
        }
        return lines
    }

    /// Many tasks that share batch queries of fifty.
    static func manyTasks() -> [String] {
        var lines = ["| in flight | cv | calls per task | mean late | p99 |", "|--:|--:|--:|--:|--:|"]
        for inFlight in [5, 50, 500] {
            for cv in [0.15, 0.53, 0.95] {
                let tally = ManyTasks(seed: seed, inFlight: inFlight, tasks: 4_000)
                    .pollux(on: .logNormal(mean: 60, cv: cv))
                lines.append(
                    "| \(inFlight) | \(cv) | \(two(tally.callsPerTask)) | \(two(tally.meanLateness)) s "
                        + "| \(one(tally.lateness(quantile: 0.99))) s |")
            }
        }
        return lines
    }

    private static func one(_ x: Double) -> String { digits(x, 1) }
    private static func two(_ x: Double) -> String { digits(x, 2) }

    private static func digits(_ x: Double, _ count: Int) -> String {
        let factor = count == 1 ? 10 : 100
        let whole = Int((x * Double(factor)).rounded())
        let rest = String(whole % factor)
        return "\(whole / factor)." + String(repeating: "0", count: count - rest.count) + rest
    }
}
