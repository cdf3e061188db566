import Foundation
import PostgresTesting
import Randomness
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Two hosts that share a real PostgreSQL over lines that are cut. `scripts/check-machines.sh MINUTES` runs it for longer.
    @Suite(
        .enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.howToInstall)),
        .enabled(if: TestHost.isPossible, Comment(rawValue: TestHost.whatIsNeeded)))
    struct CutLineTests {
        private func withHosts(
            faults: String, seed: UInt64, test: (Fleet, [TestHost], World) async throws -> Void
        ) async throws {
            let hosts = try (0..<2).map { try TestHost($0) }
            let places = hosts.map { $0.address(of: .database) }
            let server = try PostgresServer(["-c", "listen_addresses=\(places.joined(separator: ","))"])
            defer { server.stop() }
            let database = PostgresServer.name(in: try server.newDatabase())
            try await withWorld(faults: faults, seed: seed, sandboxFlags: ["--host", "0.0.0.0"]) { world in
                let fleet = Fleet(
                    daemons: hosts.map { host in
                        var environment = Fleet.environment(
                            of: world, at: "postgres://pollux@\(host.address(of: .database))/\(database)")
                        environment["XHUOAPI_BASE_URL"] =
                            "http://\(host.address(of: .provider)):\(world.sandbox.port)/v1"
                        return RunningDaemon(
                            directory: world.directory + "/\(host.name)", environment: environment, on: host)
                    })
                let first = World(directory: world.directory, sandbox: world.sandbox, daemon: fleet.daemons[0])
                try await fleet.run { try await test(fleet, hosts, first) }
            }
        }

        @Test func `a host that is cut off from the database during a paid request loses and doubles nothing`()
            async throws
        {
            try await withHosts(faults: "none", seed: 1) { fleet, hosts, world in
                let (first, second) = (fleet.daemons[0], fleet.daemons[1])
                let running = try await first.submit("flux/images", ["prompt": "polled [seconds=2400]"])
                // Its reply comes when it is done, ten seconds later.
                let held = try await first.submit("suno/lyrics", ["prompt": "held [seconds=600]"])
                for _ in 0..<500 where try await world.sandbox.ledger().billed < 2 {
                    try await Task.sleep(for: .milliseconds(20))
                }
                try hosts[0].cut(.database, losing: .both)
                let gap = try await longestGap(in: world, for: .seconds(32))
                #expect(gap < .seconds(20), "\(gap) without a poll")
                // The host that is cut off says so, and the other one works.
                let refused = try await first.ask(
                    "POST", "/v1/tasks", json: first.submission("flux/images", ["prompt": "x"]))
                #expect(
                    try refused.status == 503 && refused.json.at("code").string == "storage_unreachable",
                    "\(refused.text)")
                let new = try await second.submit("flux/images", ["prompt": "new [seconds=20]"])
                #expect(try await second.ended(new.at("id").string ?? "").at("state").string == "succeeded")
                try hosts[0].mend(.database)
                for task in [running, held, new] {
                    let end = try await fleet.ended(task.at("id").string ?? "")
                    #expect(end.at("state").string == "succeeded", "\(end.text)")
                }
                let ledger = try await world.sandbox.ledger()
                #expect(ledger.billed == 3 && ledger.mostPerRequest == 1, "\(ledger.json.text)")
                // The first host works again.
                let last = try await first.submit("flux/images", ["prompt": "last [seconds=20]"])
                #expect(try await first.ended(last.at("id").string ?? "").at("state").string == "succeeded")
            }
        }

        /// The longest time without a status query, of that long from now on.
        private func longestGap(in world: World, for span: Duration) async throws -> Duration {
            let clock = ContinuousClock()
            let end = clock.now + span
            var (count, since, longest) = (-1, clock.now, Duration.zero)
            while clock.now < end {
                let counts = try await world.sandbox.statistics()
                let polls = ["retrieve", "retrieve_batch"].reduce(0) { $0 + (counts.at($1, "total").integer ?? 0) }
                longest = max(longest, clock.now - since)
                if polls != count { (count, since) = (polls, clock.now) }
                try await Task.sleep(for: .milliseconds(100))
            }
            return longest
        }

        @Test func `lines that are cut at random lose, duplicate and change nothing`() async throws {
            let variables = ProcessInfo.processInfo.environment
            let minutes = variables["POLLUX_MACHINES_MINUTES"].flatMap { Double($0) } ?? 0.5
            let seed = variables["POLLUX_CRASH_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...99_999)
            print("Two hosts: \(minutes) minutes, seed \(seed)")
            try await withHosts(faults: StormTests.faults, seed: seed) { fleet, hosts, world in
                let isOver = Watched(false)
                async let outcomes = fleet.useIt(until: isOver)
                var random = SeededRandom(seed: seed)
                let end = Date(timeIntervalSinceNow: minutes * 60)
                var cuts = 0
                while Date() < end {
                    try await Task.sleep(for: .milliseconds(.random(in: 200...3_000, using: &random)))
                    let host = hosts[.random(in: hosts.indices, using: &random)]
                    let line = TestHost.Line.allCases.randomElement(using: &random) ?? .database
                    try host.cut(line, losing: TestHost.Loss.allCases.randomElement(using: &random) ?? .both)
                    // Shorter than a lease, and longer.
                    try await Task.sleep(for: .milliseconds(.random(in: 500...25_000, using: &random)))
                    try host.mend(line)
                    cuts += 1
                }
                isOver.change { $0 = true }
                let count = try await RandomKillTests.Count(of: outcomes, in: world)
                print("Two hosts, seed \(seed): \(count); \(cuts) cuts")
                #expect(count.lost == 0, "seed \(seed): \(count)")
                #expect(count.doubled == 0, "seed \(seed): \(count)")
                #expect(count.changed == 0, "seed \(seed): \(count)")
                #expect(count.tasks > 16, "There was too little load: \(count)")
            }
        }
    }
}
