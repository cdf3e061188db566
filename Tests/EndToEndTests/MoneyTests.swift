import Foundation
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Tests prices and budgets with the real daemon and the sandbox.
    @Suite struct MoneyTests {
        private static let prices = "flux/images: {unit: USD, fixed: 0.04}\n"

        private func write(_ budgets: String, for world: World) throws {
            let directory = world.directory + "/.config/pollux"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            try Data(Self.prices.utf8).write(to: URL(filePath: directory + "/prices.yaml"))
            try Data(budgets.utf8).write(to: URL(filePath: directory + "/pollux.yaml"))
        }

        /// Submits that many tasks, each over its own connection, all at once.
        private func submitAtOnce(_ count: Int, in world: World) async throws -> [Reply] {
            try await withThrowingTaskGroup(of: Reply.self) { group in
                for number in 1...count {
                    group.addTask {
                        try await world.daemon.ask(
                            "POST", "/v1/tasks",
                            json: world.daemon.submission(
                                "flux/images", ["prompt": .string("cat number \(number)")],
                                with: ["labels": ["project": .string(number % 2 == 0 ? "web" : "app")]]))
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
        }

        /// Waits until that many tasks are in the state.
        private func count(_ state: String, reaches count: Int, in world: World) async throws {
            let deadline = Date(timeIntervalSinceNow: Double(patience))
            while true {
                let tasks = try await world.daemon.ask("GET", "/v1/status").json.at("tasks")
                if tasks.at(state).integer == count { return }
                guard Date() < deadline else { throw TooLate(description: "\(tasks.text), not \(count) \(state)") }
                try await Task.sleep(for: .milliseconds(50))
            }
        }

        /// The queued tasks, once the lists were read that queued tasks wait for after a start.
        private func heldTasks(in world: World) async throws -> [JSONValue] {
            let deadline = Date(timeIntervalSinceNow: Double(patience))
            while true {
                let page = try await world.daemon.ask("GET", "/v1/tasks?state=queued&limit=100").json
                let tasks = page.at("tasks").array ?? []
                if !tasks.contains(where: { $0.at("waiting_for", "code").string == "start_check" }) { return tasks }
                guard Date() < deadline else {
                    throw TooLate(description: "The start check does not end: \(page.text)")
                }
                try await Task.sleep(for: .milliseconds(50))
            }
        }

        @Test func `of 64 tasks at once exactly those are sent for which there is room, also through a kill`()
            async throws
        {
            try await withWorld { world in
                try write("budgets: [{name: daily, limit: 0.4, unit: USD, per: total}]\n", for: world)
                try await world.daemon.start()
                let replies = try await submitAtOnce(64, in: world)
                #expect(replies.allSatisfy { $0.status == 201 })
                try await count("succeeded", reaches: 10, in: world)
                try await world.daemon.kill9()
                try await world.daemon.start()
                try await count("succeeded", reaches: 10, in: world)
                #expect(try await world.sandbox.ledger().billed == 10)
                let held = try await heldTasks(in: world)
                #expect(held.count == 54)
                for task in held {
                    #expect(task.at("waiting_for", "code").string == "budget", "\(task.text)")
                    #expect(task.at("waiting_for", "budget").string == "daily")
                    #expect(task.at("waiting_for", "missing", "amount").string == "0.04")
                }
                // The limit is absolute.
                let set = try await world.pollux(["budget", "set", "daily", "0.8"])
                #expect(set.exit == .code(0) && set.output.contains("0.8 (0.4)"), "\(set.errors)")
                try await count("succeeded", reaches: 20, in: world)
                let queued = try await world.daemon.ask("GET", "/v1/tasks?state=queued&limit=1").json.at("tasks").array
                let id = queued?.first?.at("id").string ?? ""
                #expect(try await world.pollux(["approve", id]).exit == .code(0))
                #expect(try await world.daemon.ended(id).at("state").string == "succeeded")
                #expect(try await world.sandbox.ledger().billed == 21)
                let spend = try await world.pollux(["spend", "--by", "label.project", "--since", "day"]).output
                #expect(spend.contains("app") && spend.contains("web") && spend.contains("0.84"), "\(spend)")
                let table = try await world.pollux(["budget"]).output
                #expect(table.contains("daily") && table.contains("0.84"), "\(table)")
                // A reload removes the budget.
                try write("{}\n", for: world)
                #expect(try await world.pollux(["reload"]).exit == .code(0))
                try await count("succeeded", reaches: 64, in: world)
                let ledger = try await world.sandbox.ledger()
                #expect(ledger.billed == 64 && ledger.mostPerRequest == 1)
            }
        }

        @Test func `a budget that refuses answers 402`() async throws {
            try await withWorld { world in
                try write(
                    "budgets: [{name: daily, limit: 0.05, unit: USD, per: day, on_exceed: refuse}]\n", for: world)
                try await world.daemon.start()
                let id = try await world.daemon.submit("flux/images", ["prompt": "x"]).at("id").string ?? ""
                _ = try await world.daemon.ended(id)
                let reply = try await world.daemon.ask(
                    "POST", "/v1/tasks", json: world.daemon.submission("flux/images", ["prompt": "y"]))
                #expect(reply.status == 402)
                #expect(try reply.json.at("code").string == "over_budget")
                let refused = try await world.pollux(["submit", "flux/images", "-d", "prompt=y"])
                #expect(refused.exit == .code(65) && refused.errors.contains("daily"), "\(refused.errors)")
            }
        }

        @Test(arguments: CrashTests.Point.allCases)
        func `the ledger has what the provider billed, wherever the daemon is killed`(
            point: CrashTests.Point
        ) async throws {
            try await withWorld { world in
                try write("{}\n", for: world)
                try await world.daemon.start(["POLLUX_TEST_KILL_AT": point.rawValue])
                let body = world.daemon.submission(
                    "flux/images", ["prompt": "x"], with: ["idempotency_key": "k", "labels": ["project": "web"]])
                _ = try? await world.daemon.ask("POST", "/v1/tasks", json: body)
                _ = try await world.daemon.process.exit()
                try await world.daemon.start()
                let task = try await world.daemon.ask("POST", "/v1/tasks", json: body).json
                _ = try await world.daemon.ended(task.at("id").string ?? "")
                let spend = try await world.daemon.ask("GET", "/v1/spend?by=label.project").json
                #expect(try await world.sandbox.ledger().billed == 1)
                #expect(spend.at("total", "attempts").integer == 1)
                #expect(spend.at("total", "spent").array?.first?.at("micros").integer == 40_000, "\(spend.text)")
                #expect(spend.at("total", "reserved").array?.first?.at("micros").integer == 0)
            }
        }
    }
}
