import Foundation
import Glibc
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Tests changes of settings, definitions and tokens while the daemon runs.
    @Suite struct ReloadTests {
        private func write(_ text: String, to path: String) throws {
            let directory = URL(filePath: path).deletingLastPathComponent()
            try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        }

        private func settings(_ world: World) -> String { world.directory + "/.config/pollux/pollux.yaml" }

        private func digest(_ world: World) async throws -> String {
            try await world.daemon.ask("GET", "/v1/status").json.at("settings", "digest").string ?? ""
        }

        @Test func `a reload applies settings and definitions while tasks run`() async throws {
            try await withWorld { world in
                try write("log: {level: info}\n", to: settings(world))
                try await world.daemon.start(["MINE_TOKEN": World.token])
                let early = try await world.daemon.submit("flux/images", ["prompt": "a fox [seconds=120]"])
                let digest = try await digest(world)
                try write("log: {level: debug}\nsubmission: {timeout_seconds: 50}\n", to: settings(world))
                try write(world.definition, to: world.definitionFile)
                let reload = try await world.pollux(["reload"])
                #expect(reload.exit == .code(0), "\(reload.errors)")
                for change in ["log.level", "submission.timeout_seconds", world.definitionFile, "provider mine"] {
                    #expect(reload.output.contains("changed: \(change)\n"), "\(reload.output)")
                }
                #expect(try await self.digest(world) != digest)
                let late = try await world.daemon.submit("mine:make", ["input": ["prompt": "a fox [seconds=30]"]])
                for task in [early, late] {
                    #expect(
                        try await world.daemon.ended(task.at("id").string ?? "").at("state").string == "succeeded")
                }
                #expect(try await world.sandbox.ledger().billed == 2)
                // SIGHUP also reloads, here the former files.
                try FileManager.default.removeItem(atPath: world.definitionFile)
                try write("log: {level: info}\n", to: settings(world))
                world.daemon.process.send(SIGHUP)
                try await world.daemon.process.logged("The settings were reloaded", count: 2)
                #expect(try await self.digest(world) == digest)
                let refused = try await world.daemon.ask(
                    "POST", "/v1/tasks", json: world.daemon.submission("mine:make", ["input": ["prompt": "x"]]))
                #expect(try refused.json.at("code").string == "unknown_endpoint", "\(refused.text)")
            }
        }

        @Test(arguments: [
            ("poling: {max_gap_seconds: 5}\n", 422, "bad_setting", "poling"),
            ("submission: {timeout_seconds: 50}\nsocket: /tmp/other.sock\n", 200, "", ""),
            (
                "submission: {timeout_seconds: 50}\ncallbacks: {listen: \"127.0.0.1:0\", public_url: \"https://p.example\"}\n",
                409, "restart_needed", "callbacks.listen, callbacks.public_url"
            ),
        ])
        func `a refused reload names the setting and changes nothing`(
            text: String, status: Int, code: String, name: String
        ) async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let task = try await world.daemon.submit("flux/images", ["prompt": "a fox [seconds=60]"])
                let digest = try await digest(world)
                try write(text, to: settings(world))
                let reply = try await world.daemon.ask("POST", "/v1/reload")
                // The variable overrides the file, so a socket in the file changes nothing.
                #expect(reply.status == status, "\(reply.text)")
                if status != 200 {
                    #expect(try reply.json.at("code").string == code)
                    #expect(try reply.json.at("detail").string?.contains(name) == true)
                    #expect(try await self.digest(world) == digest)
                    let command = try await world.pollux(["reload"])
                    #expect(command.exit != .code(0) && command.errors.contains(name), "\(command.errors)")
                    world.daemon.process.send(SIGHUP)
                    try await world.daemon.process.logged("The settings were not reloaded", count: 3)
                }
                let ended = try await world.daemon.ended(task.at("id").string ?? "")
                #expect(ended.at("state").string == "succeeded")
            }
        }

        @Test func `tasks of a definition removed by a reload wait and continue when it is back`() async throws {
            try await withWorld { world in
                try write(world.definition, to: world.definitionFile)
                try await world.daemon.start(["MINE_TOKEN": World.token])
                let request: JSONValue = ["input": ["prompt": "a fox [seconds=60]"]]
                let id = try await world.daemon.submit("mine:make", request).at("id").string ?? ""
                try await world.daemon.process.logged("→ running")
                try FileManager.default.removeItem(atPath: world.definitionFile)
                let reply = try await world.daemon.ask("POST", "/v1/reload")
                #expect(try reply.json.at("warnings").text.contains("1 task(s) of mine:make wait"))
                let waiting = try await world.daemon.task(id)
                #expect(waiting.at("state").string == "running")
                #expect(waiting.at("waiting_for", "code").string == "endpoint_gone")
                try write(world.definition, to: world.definitionFile)
                #expect(try await world.daemon.ask("POST", "/v1/reload").status == 200)
                #expect(try await world.daemon.ended(id).at("state").string == "succeeded")
                #expect(try await world.sandbox.ledger().billed == 1)
            }
        }

        @Test func `a token replaced during requests is read again, and nothing is lost or paid twice`()
            async throws
        {
            try await withWorld { world in
                let file = world.directory + "/token"
                try write(World.token, to: file)
                try await world.daemon.start(["XHUOAPI_TOKEN": nil, "XHUOAPI_TOKEN_FILE": file])
                var ids: [String] = []
                for number in 0..<40 {
                    if number == 20 {
                        // The old token is revoked at once, without a signal or command. The part after `~` does not change the user.
                        try write(World.token + "~new", to: file)
                        try await world.sandbox.revoke(World.token)
                    }
                    let task = try await world.daemon.submit(
                        "flux/images", ["prompt": .string("\(number) [seconds=90]")])
                    ids.append(task.at("id").string ?? "")
                }
                for id in ids { #expect(try await world.daemon.ended(id).at("state").string == "succeeded") }
                let ledger = try await world.sandbox.ledger()
                #expect(ledger.billed == 40 && ledger.mostPerRequest == 1)
                let providers = try await world.daemon.ask("GET", "/v1/status").json.at("providers").array ?? []
                #expect(providers.allSatisfy { $0.at("state").string == "open" })
                #expect(world.daemon.log.contains("The token of xhuoapi was read again and has changed."))
            }
        }

        @Test func `without a new token the provider is paused until a reload with one and a resume`() async throws {
            try await withWorld { world in
                let file = world.directory + "/token"
                try write(World.token, to: file)
                try await world.sandbox.revoke(World.token)
                try await world.daemon.start(["XHUOAPI_TOKEN": nil, "XHUOAPI_TOKEN_FILE": file])
                _ = try await world.daemon.submit("flux/images", ["prompt": "1"])
                try await world.daemon.process.logged("paused")
                try write(World.token + "-new", to: file)
                let reload = try await world.pollux(["reload"])
                #expect(reload.output.contains("changed: token of xhuoapi"), "\(reload.output)\(reload.errors)")
                _ = try await world.daemon.ask("POST", "/v1/endpoints/flux/images/resume")
                let id = try await world.daemon.submit("flux/images", ["prompt": "2"]).at("id").string ?? ""
                #expect(try await world.daemon.ended(id).at("state").string == "succeeded")
            }
        }

        @Test func `kills during reloads lose nothing and pay nothing twice`() async throws {
            let environment = [
                "POLLUX_TEST_ABSENT_SPAN_SECONDS": "1", "POLLUX_SUBMISSION_ON_UNCERTAIN": "resubmit_if_absent",
            ]
            try await withWorld(environment: environment) { world in
                try write("submission: {timeout_seconds: 50}\n", to: settings(world))
                try await world.daemon.start()
                var ids: [String] = []
                for round in 0..<6 {
                    for number in 0..<5 {
                        let task = try await world.daemon.submit(
                            "flux/images", ["prompt": .string("\(round)-\(number) [seconds=30]")])
                        ids.append(task.at("id").string ?? "")
                        try write("submission: {timeout_seconds: \(40 + number)}\n", to: settings(world))
                        world.daemon.process.send(SIGHUP)
                    }
                    try await world.daemon.kill9()
                    try await world.daemon.start()
                }
                for id in ids { #expect(try await world.daemon.ended(id).at("state").string == "succeeded") }
                let ledger = try await world.sandbox.ledger()
                #expect(ledger.billed == ids.count && ledger.mostPerRequest == 1)
            }
        }

        @Test func `the status shows a start with --hold until a person resumes`() async throws {
            try await withWorld { world in
                let process = try ChildProcess(["serve", "--hold"], environment: world.daemon.environment)
                do {
                    try await process.logged("listens on")
                    let held = try await world.pollux(["status"])
                    #expect(held.output.contains("The daemon was started with --hold"), "\(held.output)")
                    #expect(held.output.contains("settings"))
                    #expect(try await world.pollux(["resume", "--all"]).exit == .code(0))
                    #expect(try await world.daemon.ask("GET", "/v1/status").json.at("held") == .null)
                } catch {
                    await process.destroy()
                    throw error
                }
                await process.destroy()
            }
        }
    }
}
