import PollingPolicy
import TaskModel

/// Compares this repository's polling schedule with others. Run by `scripts/run-simulator.sh`.
///
/// It does not wait, and all randomness is seeded. The same program always prints the same tables.
@main
struct PollingSimulator {
    static func main() {
        if let check = DaemonCheck(Array(CommandLine.arguments.dropFirst())) { return show(check.lines) }
        section(
            "One task at a time, the log-normals 60 s on average: calls and lateness at c = 0.5, then cost by the optimum's"
        )
        let laws: [TrueDurations] =
            [0.15, 0.25, 0.53, 0.95].map { .logNormal(mean: 60, cv: $0) } + [.fastFailures, .twoSorts, .recorded]
        show(Report.oneTask(on: laws))
        section("Cold start, cost by that of the better of fixed 3 s and 5 s, at cv 0.15 / 0.25 / 0.53 / 0.95")
        show(Report.coldStart())
        section("After the provider became three times slower, cost by the optimum's")
        show(Report.regimeChange())
        section("Many in flight, batch queries of fifty")
        show(Report.manyTasks())
    }

    private static func section(_ title: String) { print("\n**\(title).**\n") }
    private static func show(_ lines: [String]) { for line in lines { print(line) } }
}
