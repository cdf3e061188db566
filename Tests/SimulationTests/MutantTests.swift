import Foundation
import Testing

/// Serialized: each history has its own thread, and parallel mutants would starve other suites.
@Suite(.serialized) struct MutantTests {
    /// Most mutants are caught within fifty histories. All run the same ones, and CI has to end soon if one is not caught.
    private static let mostHistories: UInt64 = 500

    /// All, or those whose names contain the text in `POLLUX_SIMULATION_MUTANT`.
    static var chosen: [Mutant] {
        ProcessInfo.processInfo.environment["POLLUX_SIMULATION_MUTANT"] == nil ? Mutant.all : allNamed
    }

    private static var allNamed: [Mutant] {
        guard let name = ProcessInfo.processInfo.environment["POLLUX_SIMULATION_MUTANT"] else { return [] }
        return Mutant.all.filter { $0.name.contains(name) }
    }

    /// The first one whose name contains that text; nil without it.
    static var named: Mutant? { allNamed.first }

    /// Seeds of histories that caught mutants which few histories catch. They are tried first, to save time.
    private static let caughtBefore: [String: UInt64] = [
        "accepts a callback as outcome": 281,
        "accepts another endpoint's record as control": 460,
        "accepts any callback token": 281,
        "accepts one reading as proof": 257,
        "assigns a tracked record to another task": 356,
        "assigns another program's larger request": 31,
        "counts the term of a lease from the reply": 37,
        "declares the attempts of a living daemon lost": 168,
        "expires a task by a clock that has just changed": 157,
        "finds nothing in a list": 36,
        "forgets dead letters": 56,
        "forgets replies that arrive late": 295,
        "forgets where the provider was": 230,
        "ignores a rewritten echo": 48,
        "links a file before it is whole": 4,
        "matches a record that another task owns": 19,
        "never continues a postponed task": 104,
        "notes no attempts in its journal": 56,
        "removes a long value that another record has": 129,
        "removes files that no client has had to make room": 4,
        "removes tasks whose records a search reads": 145,
        "removes the details of pinned tasks": 13,
        "reports an unknown commit as not stored": 32,
        "resubmits a listed task": 230,
        "resubmits without another reading": 257,
        "sends a client id again by another account": 40,
        "skips a line of another daemon": 2,
        "skips the reading at the start": 379,
        "starts work under the lease of another daemon": 28,
        "takes what an unread account does not show for absent": 224,
        "treats a short page as the last one": 451,
        "trusts a restored database": 36,
        "writes the witness before the commit": 13,
    ]

    @Test(arguments: chosen)
    func `the simulation catches a daemon that`(_ mutant: Mutant) async throws {
        let stage = try Stage()
        let simulation = Simulation(stage: stage, mutant: mutant)
        let plain = Simulation(stage: stage, mutant: mutant.harmless)
        for seed in [Self.caughtBefore[mutant.name]].compactMap(\.self) + Array(1...Self.mostHistories) {
            do throws(Simulation.Failure) {
                _ = try await simulation.run(seed: seed)
            } catch {
                let violation = try #require(error.violation, "\(error)")
                // A history that fails without the mutant too proves nothing about it.
                do throws(Simulation.Failure) { _ = try await plain.run(seed: seed) } catch {
                    print(
                        "Seed \(seed) fails without the mutant as well: \(error.violation.map { "\($0)" } ?? "\(error)")"
                    )
                    continue
                }
                guard mutant.catchers.contains(violation.invariant) else {
                    Issue.record("\(error)")
                    return
                }
                print("A daemon that \(mutant): seed \(seed): \(violation)")
                return
            }
        }
        Issue.record("no history caught a daemon that \(mutant) in \(Self.mostHistories) histories")
    }

    @Test func `every invariant has a mutant that it catches`() {
        let caught = Mutant.all.reduce(into: Set<Invariant>()) { $0.formUnion($1.catchers) }
        #expect(caught == Set(Invariant.allCases))
    }
}
