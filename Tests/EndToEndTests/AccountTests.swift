import Foundation
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Tests several accounts of one provider, against the sandbox.
    @Suite struct AccountTests {
        /// Writes settings with these accounts.
        private func write(_ accounts: [(name: String, token: String)], for world: World) throws {
            let directory = world.directory + "/.config/pollux"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            var list: [String] = []
            for (name, token) in accounts {
                let file = "\(directory)/\(name).token"
                try Data(token.utf8).write(to: URL(filePath: file))
                try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
                list.append("{name: \(name), token_file: \(file)}")
            }
            let settings = "providers: {xhuoapi: {accounts: [\(list.joined(separator: ", "))]}}\n"
            try Data(settings.utf8).write(to: URL(filePath: directory + "/pollux.yaml"))
        }

        /// Starts the daemon with these accounts.
        private func start(_ world: World, _ accounts: [(name: String, token: String)]) async throws {
            try write(accounts, for: world)
            try await world.daemon.start(["XHUOAPI_TOKEN": nil])
        }

        private func submit(_ count: Int, in world: World, _ controls: String = "[seconds=30]") async throws -> [String]
        {
            var ids: [String] = []
            for number in 1...count {
                let task = try await world.daemon.submit(
                    "suno/audios", ["prompt": .string("rain number \(number) on a tin roof \(controls)")])
                ids.append(task.at("id").string ?? "")
            }
            return ids
        }

        @Test func `a third account sends the queue of a dead and a throttled one`() async throws {
            try await withWorld { world in
                let good = "good-token-0815-4711"
                try await start(world, [("dead", "expired-token"), ("slow", "throttled-token"), ("good", good)])
                let ids = try await submit(12, in: world)
                for id in ids {
                    let task = try await world.daemon.ended(id)
                    #expect(task.at("state").string == "succeeded", "\(task.text)")
                    #expect(task.at("account").string == "good")
                }
                let ledger = try await world.sandbox.ledger()
                #expect(ledger.billed == 12 && ledger.mostPerRequest == 1)
                let provider = try await world.daemon.ask("GET", "/v1/status").json.at("providers").array?
                    .first { $0.at("name").string == "xhuoapi" }
                let accounts = provider?.at("accounts").array ?? []
                #expect(accounts.map { $0.at("name").string } == ["dead", "slow", "good"])
                #expect(accounts.map { $0.at("state").string } == ["paused", "open", "open"])
                #expect(provider?.at("state").string == "open")
                let table = try await world.pollux(["providers"]).output
                #expect(table.contains("  dead") && table.contains("token_expired"))
                let card = try await world.pollux(["status"]).output
                #expect(card.contains("dead, token present, 0 in flight, paused: token_expired"))
                #expect(try await world.pollux(["show", ids[0]]).output.contains("good"))
                #expect(!world.daemon.log.contains(good))
            }
        }

        @Test func `two tokens of one user never take each other's tasks, even if replies are lost`() async throws {
            try await withWorld(faults: "lost-reply=0.5") { world in
                try await start(world, [("one", "alice~1-4711-0815"), ("two", "alice~2-4711-0815")])
                let ids = try await submit(10, in: world, "[seconds=60]")
                var remoteIDs: Set<String> = []
                let prompts = { (try await world.sandbox.ledger()).prompts }
                for (number, id) in ids.enumerated() {
                    let task = try await world.daemon.ended(id)
                    #expect(task.at("state").string == "succeeded", "\(task.text)")
                    let remoteID = task.at("remote_id").string ?? ""
                    remoteIDs.insert(remoteID)
                    #expect(try await prompts()[remoteID]?.hasPrefix("rain number \(number + 1) ") ?? false)
                }
                #expect(remoteIDs.count == 10)
                let ledger = try await world.sandbox.ledger()
                #expect(ledger.billed == 10 && ledger.mostPerRequest == 1)
            }
        }

        @Test func `tasks of an account removed from the settings wait, and continue when it is back`() async throws {
            try await withWorld { world in
                let (one, two) = (("one", "first-token-4711-0815"), ("two", "second-token-4711-0815"))
                try await start(world, [one, two])
                let ids = try await submit(2, in: world, "[seconds=600]")
                var accounts: [String: String] = [:]
                for id in ids {
                    try await world.daemon.process.logged("\(id) suno/audios submitting → running")
                    accounts[id] = try await world.daemon.task(id).at("account").string
                }
                #expect(Set(accounts.values) == ["one", "two"])
                let waiting = try #require(accounts.first { $0.value == "two" }?.key)
                _ = try await world.daemon.stop()

                try await start(world, [one])
                try await world.daemon.process.logged("1 task(s) of account two of xhuoapi wait")
                let task = try await world.daemon.task(waiting)
                #expect(task.at("state").string == "running" && task.at("waiting_for", "code").string == "account_gone")
                _ = try await world.daemon.stop()

                try await start(world, [one, two])
                for id in ids { #expect(try await world.daemon.ended(id).at("state").string == "succeeded") }
                #expect(try await world.sandbox.ledger().billed == 2)
            }
        }

        @Test func `a reload adds and removes accounts, and tasks of removed ones wait`() async throws {
            try await withWorld { world in
                let (one, two) = (("one", "first-token-4711-0815"), ("two", "second-token-4711-0815"))
                try await start(world, [one])
                func account(of id: String) async throws -> String? {
                    try await world.daemon.process.logged("\(id) suno/audios submitting → running")
                    return try await world.daemon.task(id).at("account").string
                }
                let first = try await submit(1, in: world, "[seconds=600]")[0]
                #expect(try await account(of: first) == "one")
                func reload(_ accounts: [(name: String, token: String)]) async throws -> String {
                    try write(accounts, for: world)
                    let reload = try await world.pollux(["reload"])
                    #expect(reload.exit == .code(0), "\(reload.errors)")
                    return reload.output
                }
                let added = try await reload([one, two])
                for change in ["providers.xhuoapi.accounts", "token of account two of xhuoapi"] {
                    #expect(added.contains("changed: \(change)\n"), "\(added)")
                }
                // It has nothing in flight, so it takes the next one.
                let second = try await submit(1, in: world, "[seconds=600] second")[0]
                #expect(try await account(of: second) == "two")
                let removed = try await reload([one])
                #expect(removed.contains("1 task(s) of account two of xhuoapi wait"), "\(removed)")
                #expect(try await world.daemon.task(second).at("waiting_for", "code").string == "account_gone")
                let third = try await submit(1, in: world, "[seconds=600] third")[0]
                #expect(try await account(of: third) == "one")
                _ = try await reload([one, two])
                for id in [first, second, third] {
                    #expect(try await world.daemon.ended(id).at("state").string == "succeeded")
                }
                #expect(try await world.sandbox.ledger().billed == 3)
            }
        }
    }
}
