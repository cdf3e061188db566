import Foundation
import PostgresTesting
import Testing

/// Serialized, like the mutants.
@Suite(.serialized) struct SimulationTests {
    @Test func `every history of the fixed seeds satisfies all invariants`() async throws {
        // In the last one a task begins after the others have ended, and its reply is lost.
        try await expectToHold(Array(1...40) + [970_004_773])
    }

    @Test func `every history of several daemons on one store satisfies all invariants`() async throws {
        // The last three found a reply of the gateway under a lease that had expired in between, an attempt of another daemon that
        // was taken for a claim of unknown outcome, and a lost submission that was ended in the past.
        try await expectToHold(Array(1...20) + [43, 800_000_058, 800_000_287], hasMachines: true)
    }

    @Test func `the same seed gives the same history of several daemons`() async throws {
        let simulation = Simulation(stage: try Stage(), hasMachines: true)
        let seeds = Array(UInt64(1)...3)
        let first = await simulation.run(seeds: seeds).reports.map(\.fingerprint)
        let second = await simulation.run(seeds: seeds.reversed()).reports.map(\.fingerprint)
        #expect(first.count == seeds.count)
        #expect(first == second)
    }

    /// With several accounts; retention and long records; budgets and programs; retention, files and comparisons of lists;
    /// budgets and retention; a stream.
    private static let onServer: [UInt64] = [2, 5, 7, 9, 17, 21]

    @Test func `every history of one daemon with a database on a server satisfies all invariants`() async throws {
        try await expectToHold(Array(1...20), isOnServer: true)
    }

    @Test(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.howToInstall)))
    func `the same seed gives the same history of one daemon on PostgreSQL`() async throws {
        let (stage, template) = (try Stage(), try await ServerDatabase.Template())
        let files = await Simulation(stage: stage, isOnServer: true).run(seeds: Self.onServer).reports
        let reports = try await expectToHold(Self.onServer, isOnServer: true, on: template)
        #expect(files.map(\.fingerprint) == reports.map(\.fingerprint))
    }

    @Test(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.howToInstall)))
    func `the same seed gives the same history of several daemons on PostgreSQL`() async throws {
        let (stage, template) = (try Stage(), try await ServerDatabase.Template())
        let seeds: [UInt64] = [1, 2, 3, 6]
        let files = await Simulation(stage: stage, hasMachines: true).run(seeds: seeds).reports
        let reports = try await expectToHold(seeds, hasMachines: true, on: template)
        #expect(files.map(\.fingerprint) == reports.map(\.fingerprint))
        // A standby takes over. From then on the numbers of lines differ, and so does the number of reads.
        try await expectToHold([4, 5], hasMachines: true, on: template)
    }

    @Test func `a history of a fresh seed satisfies all invariants`() async throws {
        var random = SystemRandomNumberGenerator()
        let seed = random.next() >> 16
        print("The fresh seed of this run: POLLUX_SIMULATION_SEED=\(seed) scripts/run-simulation.sh")
        try await expectToHold([seed])
    }

    @Test func `the same seed gives the same history`() async throws {
        let stage = try Stage()
        let seeds = Array(UInt64(1)...5)
        let first = await Simulation(stage: stage).run(seeds: seeds).reports.map(\.fingerprint)
        let second = await Simulation(stage: stage).run(seeds: seeds.reversed()).reports.map(\.fingerprint)
        #expect(first.count == seeds.count)
        #expect(first == second)
        #expect(Set(first).count == first.count)
    }

    /// The entry point of `scripts/run-simulation.sh`: one seed with its trace, or many fresh seeds.
    @Test(.enabled(if: !Request.environment.isEmpty))
    func `the histories that the script asks for hold`() async throws {
        let request = Request.environment
        let template = request.isOnPostgres ? try await ServerDatabase.Template() : nil
        if let seed = request.seed {
            let simulation = Simulation(
                stage: try Stage(), mutant: request.mutant ?? MutantTests.named, hasMachines: request.hasMachines,
                isOnServer: request.isOnServer, template: template)
            let (lines, outcome) = await simulation.trace(of: seed)
            print(lines.joined(separator: "\n"))
            print(outcome)
            if case .failure = outcome { Issue.record("seed \(seed) does not hold") }
            return
        }
        var random = SystemRandomNumberGenerator()
        let first = request.first ?? random.next() >> 16
        print(
            "\(request.histories) histories\(request.hasMachines ? " of several daemons" : ""), seeds from \(first) on")
        let began = ContinuousClock.now
        let reports = try await expectToHold(
            (0..<UInt64(request.histories)).map { first &+ $0 }, mutant: request.mutant,
            hasMachines: request.hasMachines, isOnServer: request.isOnServer, on: template)
        print(Request.summary(of: reports, took: ContinuousClock.now - began))
    }

    @discardableResult
    private func expectToHold(
        _ seeds: [UInt64], mutant: Mutant? = nil, hasMachines: Bool = false, isOnServer: Bool = false,
        on template: ServerDatabase.Template? = nil
    ) async throws -> [Report] {
        let simulation = Simulation(
            stage: try Stage(), mutant: mutant, hasMachines: hasMachines, isOnServer: isOnServer, template: template)
        let (reports, failures) = await simulation.run(seeds: seeds)
        for failure in failures { Issue.record("\(failure)") }
        #expect(reports.count == seeds.count)
        return reports
    }
}

/// The request in the environment variables.
private struct Request {
    let seed: UInt64?
    let first: UInt64?
    let histories: Int
    /// Whether each history has several accounts, and neither copies nor a second daemon.
    let hasAccounts: Bool
    /// Whether each history has prices and budgets, and neither copies nor a second daemon.
    let hasBudgets: Bool

    /// Whether several daemons share the store in each history.
    let hasMachines: Bool
    /// Whether the database is on a server; that of several daemons always is.
    let isOnServer: Bool
    /// Whether that is a real PostgreSQL.
    let isOnPostgres: Bool

    /// The mutant that gives the histories several accounts, or budgets.
    var mutant: Mutant? {
        guard hasAccounts || hasBudgets else { return nil }
        var mutant = Mutant("has several accounts or budgets", caughtBy: [])
        (mutant.needsAccounts, mutant.needsBudgets) = (hasAccounts, hasBudgets)
        return mutant
    }

    var isEmpty: Bool { seed == nil && histories == 0 }

    static var environment: Request {
        let variables = ProcessInfo.processInfo.environment
        return Request(
            seed: variables["POLLUX_SIMULATION_SEED"].flatMap { UInt64($0) },
            first: variables["POLLUX_SIMULATION_FIRST_SEED"].flatMap { UInt64($0) },
            histories: variables["POLLUX_SIMULATION_HISTORIES"].flatMap { Int($0) } ?? 0,
            hasAccounts: variables["POLLUX_SIMULATION_ACCOUNTS"] != nil,
            hasBudgets: variables["POLLUX_SIMULATION_BUDGETS"] != nil,
            hasMachines: variables["POLLUX_SIMULATION_MACHINES"] != nil,
            isOnServer: variables["POLLUX_SIMULATION_SERVER"] != nil || variables["POLLUX_SIMULATION_POSTGRES"] != nil,
            isOnPostgres: variables["POLLUX_SIMULATION_POSTGRES"] != nil)
    }

    static func summary(of reports: [Report], took: Duration) -> String {
        let seconds = Double(took.components.seconds) + Double(took.components.attoseconds) / 1e18
        let perMinute = Int(Double(reports.count) / max(seconds, 0.001) * 60)
        let sums = (
            steps: reports.reduce(0) { $0 + $1.steps }, kills: reports.reduce(0) { $0 + $1.incarnations - 1 },
            tasks: reports.reduce(0) { $0 + $1.tasks }, billed: reports.reduce(0) { $0 + $1.billed },
            stubs: reports.reduce(0) { $0 + $1.stubs }, gone: reports.reduce(0) { $0 + $1.gone }
        )
        return """
            \(reports.count) histories held, \(perMinute) a minute: \(sums.steps) steps, \(sums.kills) kills and \
            restarts, \(sums.tasks) tasks, \(sums.billed) billed, \(sums.stubs) without details, \(sums.gone) gone
            """
    }
}
