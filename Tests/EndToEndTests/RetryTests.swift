import Foundation
import Glibc
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Tests retries of ended tasks.
    @Suite struct RetryTests {
        /// Submits tasks that fail, and returns their ids once they have.
        private func failed(_ count: Int, in world: World) async throws -> [String] {
            var ids: [String] = []
            for number in 0..<count {
                let task = try await world.daemon.submit(
                    "flux/images", ["prompt": .string("\(number) [fail:plain] [seconds=5]")],
                    with: ["labels": ["batch": "7", "number": .string("\(number)")], "priority": 3, "note": "n"])
                ids.append(task.at("id").string ?? "")
            }
            for id in ids { #expect(try await world.daemon.ended(id).at("state").string == "failed") }
            return ids
        }

        private func tasks(in world: World) async throws -> [JSONValue] {
            try await world.daemon.ask("GET", "/v1/tasks?limit=500").json.at("tasks").array ?? []
        }

        private func lines(_ text: String) -> [String] { text.split(separator: "\n").map(String.init) }

        @Test func `tasks found by state and label are submitted again once, however often the command is repeated`()
            async throws
        {
            try await withWorld { world in
                try await world.daemon.start()
                let ids = try await failed(3, in: world)
                let billed = try await world.sandbox.ledger().billed
                let command = ["retry", "--state", "failed", "--label", "batch=7"]
                let asked = try await world.pollux(command)
                #expect(asked.exit == .code(64))
                #expect(asked.errors.contains("--yes"), "\(asked.errors)")
                #expect(try await tasks(in: world).count == 3)

                let retried = try await world.pollux(command + ["--yes"])
                #expect(retried.exit == .code(0), "\(retried.errors)")
                let new = lines(retried.output)
                #expect(new.count == 3)
                for (old, id) in zip(ids, new) {
                    let (before, task) = (try await world.daemon.task(old), try await world.daemon.task(id))
                    #expect(task.at("retry_of").string == old)
                    #expect(before.at("retry_of") == .null && before.at("state").string == "failed")
                    for member in ["endpoint", "request", "labels", "priority", "on_uncertain", "note"] {
                        #expect(task.at(member) == before.at(member), "\(member)")
                    }
                    _ = try await world.daemon.ended(id)
                }
                #expect(try await world.sandbox.ledger().billed == billed * 2)
                let shown = try await world.pollux(["show", new[0]])
                #expect(shown.output.contains("retry of") && shown.output.contains(ids[0]), "\(shown.output)")

                // By id it returns the same retries.
                let again = try await world.pollux(["retry", "--yes"] + ids)
                #expect(again.exit == .code(0) && lines(again.output) == new, "\(again)")
                #expect(again.errors.contains("pollux retry \(new[0])"), "\(again.errors)")
                #expect(try await tasks(in: world).count == 6)
                #expect(try await world.sandbox.ledger().billed == billed * 2)
            }
        }

        @Test(arguments: [("y\n", true), ("n\n", false), ("\n", false)])
        func `on a terminal the command names the number of tasks and asks`(answer: String, isRetried: Bool)
            async throws
        {
            let terminal = "/usr/bin/script"
            guard FileManager.default.isExecutableFile(atPath: terminal) else {
                print("SKIPPED: there is no \(terminal), so the question on a terminal is not tested.")
                return
            }
            try await withWorld { world in
                try await world.daemon.start()
                let ids = try await failed(2, in: world)
                let command = "\(ChildProcess.pollux) retry \(ids.joined(separator: " "))"
                let process = try ChildProcess(
                    ["-qec", command, "/dev/null"], of: terminal, environment: world.daemon.environment,
                    input: Array(answer.utf8))
                let exit = try await process.exit()
                #expect(exit == .code(isRetried ? 0 : 1), "\(process.outputText)")
                #expect(
                    process.outputText.contains("2 tasks are submitted again, and each is paid for again."),
                    "\(process.outputText)")
                #expect(try await tasks(in: world).count == (isRetried ? 4 : 2))
            }
        }

        @Test func `a lost task is omitted by state and rejected by id, while the others are retried`() async throws {
            try await withWorld { world in
                try await world.daemon.start(["POLLUX_TEST_KILL_AT": "before-first-byte"])
                let document = world.daemon.submission(
                    "flux/images", ["prompt": "lost [seconds=5]"], with: ["idempotency_key": "lost"])
                _ = try? await world.daemon.ask("POST", "/v1/tasks", json: document)
                #expect(try await world.daemon.process.exit() == .signal(SIGKILL))
                try await world.daemon.start()
                let lost = try await world.daemon.ask("POST", "/v1/tasks", json: document).json.at("id").string ?? ""
                let uncertain = try await world.pollux(["retry", lost, "--yes"])
                #expect(uncertain.exit == .code(65) && uncertain.errors.contains("pollux resolve"), "\(uncertain)")
                let resolved = try await world.pollux(["resolve", lost, "--give-up"])
                #expect(resolved.exit == .code(0), "\(resolved)")
                let ids = try await failed(1, in: world)
                let byState = try await world.pollux(["retry", "--state", "failed", "--yes"])
                #expect(byState.exit == .code(0) && lines(byState.output).count == 1, "\(byState)")
                #expect(byState.errors.contains("Left out: 1 task"), "\(byState.errors)")
                let byID = try await world.pollux(["retry", lost, ids[0], "--yes"])
                #expect(byID.exit == .code(65) && byID.output == byState.output, "\(byID)")
                #expect(byID.errors.contains("unknown") && byID.errors.contains("pollux resolve"), "\(byID.errors)")
                #expect(try await tasks(in: world).count == 3)
            }
        }
    }
}
