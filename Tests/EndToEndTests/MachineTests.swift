import Foundation
import Glibc
import PostgresTesting
import Randomness
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Three daemons that share a real PostgreSQL. `scripts/check-machines.sh MINUTES` runs it for longer.
    @Suite(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.howToInstall)))
    struct MachineTests {
        private func withFleet(
            of count: Int, faults: String, seed: UInt64, environment: [String: String] = [:],
            test: (Fleet, World, PostgresServer) async throws -> Void
        ) async throws {
            let server = try PostgresServer()
            defer { server.stop() }
            try await withFleet(
                of: count, at: try server.newDatabase(), faults: faults, seed: seed, environment: environment
            ) { fleet, world in
                try await test(fleet, world, server)
            }
        }

        private func withFleet(
            of count: Int, at address: String, faults: String, seed: UInt64, environment: [String: String] = [:],
            test: (Fleet, World) async throws -> Void
        ) async throws {
            try await withWorld(faults: faults, seed: seed, environment: environment) { world in
                let shared = Fleet.environment(of: world, at: address)
                let fleet = Fleet(
                    daemons: (0..<count).map { number in
                        RunningDaemon(directory: world.directory + "/\(number)", environment: shared)
                    })
                let first = World(directory: world.directory, sandbox: world.sandbox, daemon: fleet.daemons[0])
                try await fleet.run { try await test(fleet, first) }
            }
        }

        @Test func `a task that one machine accepts is ended, streamed and read at every machine`() async throws {
            try await withFleet(of: 2, faults: "none", seed: 1) { fleet, world, _ in
                let (first, second) = (fleet.daemons[0], fleet.daemons[1])
                // The stream of the other machine began before the task.
                let stream = try await onThread {
                    let connection = try second.connect()
                    try connection.write("GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\n\r\n")
                    #expect(try connection.head().status == 200)
                    return connection
                }
                let id = try await first.submit("flux/images", ["prompt": "a fox [seconds=20]"]).at("id").string ?? ""
                let began = Date()
                #expect(try await second.ended(id).at("state").string == "succeeded")
                // A waiter learns of a commit elsewhere within a second or two, not by its own timeout.
                #expect(Date().timeIntervalSince(began) < 15)
                #expect(try await first.task(id).at("state").string == "succeeded")
                try await onThread {
                    var text = ""
                    while !text.contains(#""to":"succeeded""#), let part = try stream.chunk() {
                        text += String(decoding: part, as: UTF8.self)
                    }
                    #expect(text.contains(id))
                }
                let again = try await second.ask(
                    "POST", "/v1/tasks",
                    json: second.submission("flux/images", ["prompt": "b"], with: ["idempotency_key": "k"]))
                let once = try await first.ask(
                    "POST", "/v1/tasks",
                    json: first.submission("flux/images", ["prompt": "b"], with: ["idempotency_key": "k"]))
                #expect(try again.json.at("id") == once.json.at("id"))
                _ = try await first.ended(try again.json.at("id").string ?? "")
                #expect(try await world.sandbox.ledger().billed == 2)
            }
        }

        @Test func `a program whose machine died repeats its request at another one, and pays once`() async throws {
            try await withFleet(
                of: 2, faults: "none", seed: 1, environment: ["POLLUX_GATEWAY_LISTEN": "127.0.0.1:0"]
            ) { fleet, world, _ in
                let (first, second) = (fleet.daemons[0], fleet.daemons[1])
                let token = try await world.pollux(["gateway", "token", "add", "notebook"]).output
                    .trimmingCharacters(in: .whitespacesAndNewlines)
                let text = GatewayTests.request(
                    "/xhuoapi/v1/midjourney/imagine", #"{"prompt":"a heron [seconds=60]"}"#, token: token)
                let ports = [try await GatewayTests.port(of: first), try await GatewayTests.port(of: second)]
                // The other machine learns of a new token within a second.
                try await until("the other machine knows the token") {
                    try await onThread {
                        let connection = try Connection(port: ports[1])
                        try connection.write(
                            GatewayTests.request("/xhuoapi/suno/tasks", #"{"id":"none"}"#, token: token))
                        return try connection.reply().status != 401
                    }
                }
                let open = try await onThread {
                    let connection = try Connection(port: ports[0])
                    try connection.write(text)
                    return connection
                }
                try await until("the request is accepted") { try await world.sandbox.ledger().billed == 1 }
                try await first.kill9()
                #expect(throws: Connection.Closed.self) { _ = try open.reply() }
                let reply = try await onThread {
                    let connection = try Connection(port: ports[1])
                    try connection.write(text)
                    return try connection.reply()
                }
                #expect(reply.status == 200, "\(reply.text)")
                #expect(reply.headers["pollux-joined"] == "true")
                #expect(try await world.sandbox.ledger().billed == 1)
                // An equal request of a machine that lives is another task.
                try await first.start()
                let equal = GatewayTests.request(
                    "/xhuoapi/v1/midjourney/imagine", #"{"prompt":"two herons [seconds=60]"}"#, token: token)
                let again = try await GatewayTests.port(of: first)
                let replies = try await withThrowingTaskGroup(of: Reply.self) { group in
                    for port in [again, ports[1]] {
                        group.addTask {
                            try await onThread {
                                let connection = try Connection(port: port)
                                try connection.write(equal)
                                return try connection.reply()
                            }
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(Set(replies.compactMap { $0.headers["pollux-task"] }).count == 2)
                #expect(try await world.sandbox.ledger().billed == 3)
            }
        }

        /// `isDown` says whether a machine is down when the standby takes over.
        @Test(arguments: [false, true])
        func `a standby that lost the last commits takes over, and nothing is paid twice`(isDown: Bool) async throws {
            let primary = try PostgresServer()
            defer { primary.stop() }
            let name = try primary.newDatabase()
            let standby = try PostgresServer(["--standby-of", primary.directory])
            defer { standby.stop() }
            let both = name.replacing(
                "host=\(primary.directory)", with: "host=\(primary.directory),\(standby.directory)")
            #expect(both != name)
            try await withFleet(of: 2, at: both, faults: "none", seed: 1) { fleet, world in
                let (first, second) = (fleet.daemons[0], fleet.daemons[1])
                func inStandby(_ statement: String) throws -> [String] {
                    try standby.run(statement, in: standby.address(of: "test1"))
                }
                #expect(try await first.ask("POST", "/v1/endpoints/flux/images/pause").status == 200)
                let queued = try await first.submit("flux/images", ["prompt": "known [seconds=60]"])
                let known = queued.at("id").string ?? ""
                try await until("the standby has the task") { try inStandby("SELECT id FROM task") == [known] }
                _ = try inStandby("ALTER SYSTEM SET primary_conninfo TO ''")
                _ = try inStandby("SELECT pg_reload_conf()")
                try await until("the standby receives nothing") {
                    try inStandby("SELECT 1 FROM pg_stat_wal_receiver").isEmpty
                }
                // It may connect once more with its former setting.
                try await until("the primary server sends nothing") {
                    for _ in 0..<10 {
                        guard try primary.run("SELECT 1 FROM pg_stat_replication", in: name).isEmpty else {
                            return false
                        }
                        try await Task.sleep(for: .milliseconds(50))
                    }
                    return true
                }
                // Both are paid for, and no commit of that reaches the standby.
                #expect(try await second.ask("POST", "/v1/endpoints/flux/images/resume").status == 200)
                let lost = try await second.submit("flux/images", ["prompt": "lost [seconds=60]"])
                for id in [known, lost.at("id").string ?? ""] {
                    try await until("\(id) is accepted") {
                        try await first.task(id).at("remote_id") != .null
                    }
                }
                #expect(try await world.sandbox.ledger().billed == 2)
                try primary.tell(.stop)
                if isDown { try await first.kill9() }
                try standby.tell(.promote)
                try await until("\(second.directory) has noticed") {
                    try await second.ask("GET", "/v1/restore").json.at("restored") == true
                }
                let rest = Fleet(daemons: [second])
                _ = try await rest.persistently("POST", "/v1/endpoints/flux/images/resume")
                let new =
                    try await rest.persistently(
                        "POST", "/v1/tasks",
                        json: second.submission("flux/images", ["prompt": "new"], with: ["idempotency_key": "new"])
                    ).json.at("id").string ?? ""
                if isDown { try await waitForJournal(of: first, at: second) }
                // It is queued in the standby, and found in the provider's list, because a journal has its attempt.
                #expect(try await fleet.ended(known).at("state").string == "succeeded")
                // No person has to accept the new server.
                #expect(try await fleet.ended(new).at("state").string == "succeeded")
                #expect(try await second.ask("GET", "/v1/restore").json.at("restored") == false)
                let ledger = try await world.sandbox.ledger()
                #expect(ledger.billed == 3 && ledger.mostPerRequest == 1)
                let events = try await second.ask("GET", "/v1/tasks/\(known)/events").json.at("events").array ?? []
                // Should the standby have got the start of the attempt after all, it lacks the reply.
                let kinds = events.compactMap { $0.at("kind").string }
                #expect(kinds.contains("found_in_journal") || kinds.contains("submission_interrupted"), "\(kinds)")
                // The task that the standby never had is named.
                let logs = fleet.daemons.map(\.log).joined()
                #expect(logs.contains("The database has lost the task \(lost.at("id").string ?? "?")"))
            }
        }

        /// Checks that nothing is paid until a machine is back whose journal is needed, then starts it.
        private func waitForJournal(of missing: RunningDaemon, at daemon: RunningDaemon) async throws {
            try await Task.sleep(for: .seconds(20))
            let restore = try await daemon.ask("GET", "/v1/restore").json
            #expect(restore.at("awaited").array?.count == 1, "\(restore)")
            let accepted = try await daemon.ask("POST", "/v1/restore", json: ["accept": true])
            #expect(
                try accepted.status == 409 && accepted.json.at("code").string == "journals_awaited", "\(accepted.text)")
            let given = try await daemon.ask("POST", "/v1/restore", json: ["without": ["nobody"]])
            #expect(given.status == 422, "\(given.text)")
            try await missing.start()
        }

        /// Returns once the condition holds. Errors count as not yet.
        private func until(_ what: String, _ condition: () async throws -> Bool) async throws {
            let deadline = Date(timeIntervalSinceNow: 60)
            while true {
                if let isMet = try? await condition(), isMet { return }
                guard Date() < deadline else { throw TooLate(description: "not within a minute: \(what)") }
                try await Task.sleep(for: .milliseconds(50))
            }
        }

        @Test func `kills, stops and restarts of the database lose, duplicate and change nothing`() async throws {
            let variables = ProcessInfo.processInfo.environment
            let minutes = variables["POLLUX_MACHINES_MINUTES"].flatMap { Double($0) } ?? 0.5
            let seed = variables["POLLUX_CRASH_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...99_999)
            print("Three machines: \(minutes) minutes, seed \(seed)")
            try await withFleet(of: 3, faults: StormTests.faults, seed: seed) { fleet, world, server in
                let isOver = Watched(false)
                async let outcomes = fleet.useIt(until: isOver)
                var random = SeededRandom(seed: seed)
                let end = Date(timeIntervalSinceNow: minutes * 60)
                var (kills, stops, restarts) = (0, 0, 0)
                while Date() < end {
                    try await Task.sleep(for: .milliseconds(.random(in: 200...2_000, using: &random)))
                    let daemon = fleet.daemons[.random(in: fleet.daemons.indices, using: &random)]
                    switch Int.random(in: 0..<10, using: &random) {
                    case 0..<7:
                        try await daemon.kill9()
                        try await Task.sleep(for: .milliseconds(.random(in: 0...3_000, using: &random)))
                        try await daemon.start()
                        kills += 1
                    case 7, 8:
                        daemon.process.send(SIGSTOP)
                        // Shorter than a lease, longer, and much longer.
                        let seconds = [5, 20, minutes > 2 ? 60 : 20].randomElement(using: &random) ?? 5
                        try await Task.sleep(for: .seconds(seconds))
                        daemon.process.send(SIGCONT)
                        stops += 1
                    default:
                        try server.tell(.stop)
                        try await Task.sleep(for: .milliseconds(.random(in: 0...3_000, using: &random)))
                        try server.tell(.start)
                        restarts += 1
                    }
                }
                isOver.change { $0 = true }
                let count = try await RandomKillTests.Count(of: outcomes, in: world)
                print(
                    "Three machines, seed \(seed): \(count); \(kills) kills, \(stops) stops, \(restarts) restarts of the database"
                )
                #expect(count.lost == 0, "seed \(seed): \(count)")
                #expect(count.doubled == 0, "seed \(seed): \(count)")
                #expect(count.changed == 0, "seed \(seed): \(count)")
                #expect(count.tasks > 16, "There was too little load: \(count)")
            }
        }
    }
}
