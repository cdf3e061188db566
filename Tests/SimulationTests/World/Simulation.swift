import Foundation

/// Runs histories in parallel, each from its seed.
struct Simulation: Sendable {
    /// One history per core, because each uses a whole thread.
    private static let atOnce = ProcessInfo.processInfo.activeProcessorCount

    /// A failed history, with all that is needed to repeat it.
    struct Failure: Error, Sendable, CustomStringConvertible {
        let seed: UInt64
        /// The other variables that repeat it.
        let variables: String
        let error: any Error
        let lastLines: [String]

        /// The violated invariant; nil if the simulation itself failed.
        var violation: Violation? { error as? Violation }

        var description: String {
            """
            Seed \(seed): \(error)
            \(variables)POLLUX_SIMULATION_SEED=\(seed) scripts/run-simulation.sh runs the same history again. Its end:
            \(lastLines.map { "  " + $0 }.joined(separator: "\n"))
            """
        }
    }

    let stage: Stage
    var mutant: Mutant?
    /// Whether several daemons share the store.
    var hasMachines = false
    /// Whether the database of one daemon is on a server as well.
    var isOnServer = false
    /// The server, if a file does not stand for its database.
    var template: ServerDatabase.Template?

    /// The variables for `scripts/run-simulation.sh` that choose these histories.
    private var variables: String {
        var names: [String] = []
        if hasMachines { names.append("MACHINES") }
        if isOnServer { names.append("SERVER") }
        if template != nil { names.append("POSTGRES") }
        return names.map { "POLLUX_SIMULATION_\($0)=1 " }.joined()
    }

    private func database() throws -> any SharedDatabase {
        try template.map { try ServerDatabase(from: $0) } ?? SharedFile(stage: stage)
    }

    /// Runs the history of that seed. Returns the last lines of its trace, and how it ended.
    func trace(of seed: UInt64, tail: Int = .max) async -> (lines: [String], outcome: Result<Report, any Error>) {
        let thread = HistoryThread()
        defer { thread.stop() }
        return await withTaskExecutorPreference(thread) {
            var world: World?
            let outcome: Result<Report, any Error>
            do {
                if hasMachines || mutant?.needsMachines ?? false {
                    let driver = try MachinesDriver(
                        seed: seed, stage: stage, on: database(), mutant: mutant, thread: thread, tail: tail)
                    world = driver.world
                    outcome = .success(try await driver.run())
                } else {
                    let driver = try SimulationDriver(
                        seed: seed, stage: stage, on: isOnServer || mutant?.needsServer ?? false ? database() : nil,
                        mutant: mutant, tail: tail)
                    world = driver.world
                    outcome = .success(try await driver.run())
                }
            } catch {
                outcome = .failure(error)
            }
            return (world?.trace.lastLines ?? [], outcome)
        }
    }

    /// Runs the history of that seed.
    func run(seed: UInt64) async throws(Failure) -> Report {
        let (lines, outcome) = await trace(of: seed, tail: 120)
        do { return try outcome.get() } catch {
            throw Failure(seed: seed, variables: variables, error: error, lastLines: lines)
        }
    }

    /// Runs the histories of these seeds. Returns the reports and the failures, sorted by seed.
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
