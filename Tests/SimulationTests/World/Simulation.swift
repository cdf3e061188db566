import Foundation

/// Runs histories, some at a time, each by its own seed.
struct Simulation: Sendable {
    /// Each has a thread of its own that never waits for long.
    private static let atOnce = ProcessInfo.processInfo.activeProcessorCount

    /// A history in which something did not hold, with all that is needed to see it again.
    struct Failure: Error, Sendable, CustomStringConvertible {
        let seed: UInt64
        let error: any Error
        let lastLines: [String]

        /// What did not hold; nil where the simulation itself broke.
        var violation: Violation? { error as? Violation }

        var description: String {
            """
            Seed \(seed): \(error)
            POLLUX_SIMULATION_SEED=\(seed) scripts/run-simulation.sh runs the same history again. Its end:
            \(lastLines.map { "  " + $0 }.joined(separator: "\n"))
            """
        }
    }

    let stage: Stage
    var mutant: Mutant?

    /// Runs the history of that seed to its end.
    func run(seed: UInt64) async throws(Failure) -> Report {
        let thread = HistoryThread()
        defer { thread.stop() }
        return try await withTaskExecutorPreference(thread) { () async throws(Failure) in
            var world: World?
            do {
                let director = try Director(seed: seed, stage: stage, mutant: mutant)
                world = director.world
                return try await director.run()
            } catch {
                throw Failure(seed: seed, error: error, lastLines: world?.trace.lastLines ?? [])
            }
        }
    }

    /// Runs the histories of all these seeds; returns the reports of those that held and all failures, by seed.
    func run(seeds: [UInt64]) async -> (reports: [Report], failures: [Failure]) {
        let outcomes = await withTaskGroup(of: Result<Report, Failure>.self) { group in
            var outcomes: [Result<Report, Failure>] = []
            for (index, seed) in seeds.enumerated() {
                if index >= Self.atOnce, let outcome = await group.next() { outcomes.append(outcome) }
                group.addTask {
                    do throws(Failure) { return .success(try await run(seed: seed)) } catch { return .failure(error) }
                }
            }
            for await outcome in group { outcomes.append(outcome) }
            return outcomes
        }
        var (reports, failures): ([Report], [Failure]) = ([], [])
        for outcome in outcomes {
            switch outcome {
            case .success(let report): reports.append(report)
            case .failure(let failure): failures.append(failure)
            }
        }
        return (reports.sorted { $0.seed < $1.seed }, failures.sorted { $0.seed < $1.seed })
    }
}
