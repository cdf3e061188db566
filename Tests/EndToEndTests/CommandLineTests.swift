import Foundation
import Glibc
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Tests the command line as a user or a script sees it.
    @Suite struct CommandLineTests {
        private func id(_ output: String) -> String { output.trimmingCharacters(in: .whitespacesAndNewlines) }

        @Test func `submit prints only the id, and other commands accept it or its prefix`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let submitted = try await world.pollux([
                    "submit", "flux/images", "-d", "prompt=x [seconds=10]", "-d", "n:=4", "--label", "a=b",
                ])
                #expect(submitted.exit == .code(0))
                #expect(
                    submitted.output.wholeMatch(of: /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\n/)
                        != nil)
                let id = id(submitted.output)
                let waited = try await world.pollux(["wait", id])
                #expect(waited.exit == .code(0))
                for command in ["show", "events"] {
                    let shown = try await world.pollux([command, String(id.dropLast(6)), "--json"])
                    #expect(shown.exit == .code(0), "\(command) \(shown)")
                }
                // A second task has the same prefix.
                _ = try await world.pollux(["submit", "flux/images", "-d", "prompt=y [seconds=10]"])
                let ambiguous = try await world.pollux(["show", String(id.prefix(4))])
                #expect(ambiguous.exit == .code(65))
                #expect(ambiguous.errors.contains(id), "\(ambiguous.errors)")
                #expect(try await world.daemon.task(id).at("request").text == #"{"prompt":"x [seconds=10]","n":4}"#)
            }
        }

        @Test func `--json prints the document of the API`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let submitted = try await world.pollux([
                    "submit", "flux/images", "-d", "prompt=x [seconds=10]", "--wait", "--json",
                ])
                #expect(submitted.exit == .code(0))
                let document = try JSONValue(parsing: submitted.output.trimmingCharacters(in: .whitespacesAndNewlines))
                let id = document.at("id").string ?? ""
                #expect(document == (try await world.daemon.task(id)))
                for (command, target) in [
                    (["show", id], "/v1/tasks/\(id)"), (["list"], "/v1/tasks"),
                    (["events", id], "/v1/tasks/\(id)/events"),
                    (["endpoints"], "/v1/endpoints"),
                ] {
                    let printed = try await world.pollux(command + ["--json"])
                    #expect(printed.exit == .code(0))
                    let expected = try await world.daemon.ask("GET", target).json
                    let actual = try JSONValue(parsing: printed.output.trimmingCharacters(in: .whitespacesAndNewlines))
                    #expect(actual == expected, "\(command)")
                }
            }
        }

        @Test func `the exit code shows how the task ended`() async throws {
            try await withWorld { world in
                let nobody = try await world.pollux(["list"])
                #expect(nobody.exit == .code(69))
                #expect(nobody.errors.contains("pollux serve"))
                try await world.daemon.start()
                let failing = try await world.pollux([
                    "submit", "flux/images", "-d", "prompt=x [fail:plain] [seconds=10]", "--wait",
                ])
                #expect(failing.exit == .code(1))
                // The task runs longer than this test on any machine.
                let slow = try await world.pollux(["submit", "flux/images", "-d", "prompt=x [seconds=6000000]"])
                let cases: [(arguments: [String], code: Int32, naming: String)] = [
                    (["submit"], 64, "submit"), (["submit", "flux/images", "-d", "prompt"], 64, "prompt"),
                    (["submt"], 64, "submt"), (["wait", "x", "--timeout", "soon"], 64, "soon"),
                    (["list", "--limt", "4"], 64, "limt"),
                    (["submit", "flux/imags", "-d", "prompt=x"], 66, "flux/images"),
                    (["submit", "flux/images", "--json-body", "{"], 65, "JSON"),
                    (["submit", "flux/images", "--json-body", "@/nowhere"], 66, "/nowhere"),
                    (["submit", "--batch", "/nowhere"], 66, "/nowhere"),
                    (["providers", "check", "/nowhere"], 66, "/nowhere"),
                    (["endpoints", "flux/imags"], 66, "flux/images"), (["pause", "flux/imags"], 66, "flux/images"),
                    (["notifications", "test", "nobody"], 66, "nobody"),
                    (["reopen", id(slow.output)], 65, "running"),
                    (["resolve", id(slow.output), "--resubmit"], 65, "running"),
                    (["show", "0123abcd"], 66, "0123abcd"),
                    (["cancel", "00000000-0000-7000-8000-000000000000"], 66, "0000"),
                    (["wait", id(slow.output), "--timeout", "1s"], 75, ""),
                    (["--version"], 0, ""), (["--help"], 0, ""), (["cancel", id(slow.output)], 0, ""),
                    (["wait", id(slow.output)], 1, ""),
                ]
                for (arguments, code, naming) in cases {
                    let result = try await world.pollux(arguments)
                    #expect(result.exit == .code(code), "\(arguments) \(result)")
                    #expect(naming.isEmpty || result.errors.contains(naming), "\(arguments) \(result)")
                    #expect(code == 0 || code == 75 || code == 1 || result.output.isEmpty, "\(arguments) \(result)")
                }
            }
        }

        @Test func `a batch file gives one output line per line, and an invalid line fails alone`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let lines = (0..<50).map { number in
                    number == 20 ? "{" : #"{"endpoint":"flux/images","request":{"prompt":"\#(number) [seconds=10]"}}"#
                }
                let result = try await world.pollux(
                    ["submit", "--batch", "-"], input: lines.joined(separator: "\n") + "\n")
                #expect(result.exit == .code(65))
                let ids = result.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
                #expect(ids.count == 51 && ids[20].isEmpty && ids.filter { !$0.isEmpty }.count == 49)
                #expect(result.errors.contains("21"), "\(result.errors)")
                let waited = try await world.pollux(["wait"] + ids.filter { !$0.isEmpty })
                #expect(waited.exit == .code(0))
                #expect(try await world.sandbox.ledger().billed == 49)
            }
        }

        @Test func `a batch survives a daemon restart and stores each line once`()
            async throws
        {
            try await withWorld { world in
                // Without a token nothing is sent, so only storing takes time.
                let changes: [String: String?] = ["XHUOAPI_TOKEN": nil]
                try await world.daemon.start(changes)
                let count = 2_000
                let lines = (0..<count).map { #"{"endpoint":"flux/images","request":{"n":\#($0)}}"# + "\n" }.joined()
                let batch = try ChildProcess(
                    ["submit", "--batch", "-", "--deadline", "+2h"], environment: world.daemon.environment,
                    input: Array(lines.utf8))
                defer { batch.send(SIGKILL) }
                _ = try await batch.firstLine()
                try await world.daemon.kill9()
                try await world.daemon.start(changes)
                #expect(try await batch.exit(within: 60) == .code(0), "\(batch.errorText)")
                let ids = batch.outputText.split(separator: "\n")
                #expect(ids.count == count && Set(ids).count == count)
                let status = try await world.daemon.ask("GET", "/v1/status").json
                #expect(status.at("tasks", "queued").integer == count)
                let last = try await world.daemon.task(String(ids[count - 1]))
                #expect(last.at("request", "n").integer == count - 1)
                #expect(last.at("deadline").string != nil)
            }
        }

        @Test func `each line of a batch is answered immediately, not at the end`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let script = #"""
                    import subprocess, sys
                    batch = subprocess.Popen([sys.argv[1], "submit", "--batch", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
                    for n in range(3):
                        batch.stdin.write('{"endpoint":"flux/images","request":{"prompt":"%d [seconds=10]"}}\n' % n)
                        print(len(batch.stdout.readline().strip()), flush=True)
                    batch.stdin.close()
                    print(batch.wait(), flush=True)
                    """#
                let writer = try ChildProcess(
                    ["python3", "-c", script, ChildProcess.pollux], of: "/usr/bin/env",
                    environment: world.daemon.environment.merging(["PATH": "/usr/local/bin:/usr/bin:/bin"]) { $1 })
                defer { writer.send(SIGKILL) }
                #expect(try await writer.exit(within: 30) == .code(0))
                #expect(writer.outputText == "36\n36\n36\n0\n")
            }
        }

        @Test func `the lock of the state directory finds a daemon of another session`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let run = world.directory + "/session"
                try FileManager.default.createDirectory(
                    atPath: run, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
                let found = try await world.pollux(
                    ["status", "--json"], environment: ["POLLUX_SOCKET": "", "XDG_RUNTIME_DIR": run])
                #expect(found.exit == .code(0), "\(found)")
                #expect(found.output.contains(world.daemon.socketPath))
                #expect(try await world.daemon.stop() == .code(0))
                let gone = try await world.pollux(
                    ["status"], environment: ["POLLUX_SOCKET": "", "XDG_RUNTIME_DIR": run])
                #expect(gone.exit == .code(69) && gone.errors.contains(run + "/pollux/pollux.sock"), "\(gone)")
            }
        }

        @Test func `a wait survives a daemon restart`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let id =
                    try await world.daemon.submit("flux/images", ["prompt": "x [seconds=120]"]).at("id").string ?? ""
                let wait = try ChildProcess(["wait", id], environment: world.daemon.environment)
                defer { wait.send(SIGKILL) }
                // It polls and reports the reply before it waits.
                try await wait.logged(id)
                try await world.daemon.kill9()
                try await world.daemon.start()
                #expect(try await wait.exit() == .code(0))
            }
        }

        @Test func `a task submitted elsewhere is tracked once, and a paused endpoint is reported`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let tracked = try await world.pollux(["track", "flux/images", "8a4b6f0e-0000-4000-8000-000000000000"])
                #expect(tracked.exit == .code(0))
                let again = try await world.pollux(["track", "flux/images", "8a4b6f0e-0000-4000-8000-000000000000"])
                #expect(again.output == tracked.output)
                let paused = try await world.pollux(["pause", "flux/images"])
                #expect(paused.exit == .code(0))
                let submitted = try await world.pollux(["submit", "flux/images", "-d", "prompt=x [seconds=10]"])
                let card = try await world.pollux(["show", id(submitted.output)])
                #expect(card.output.contains("paused"), "\(card.output)")
                #expect(try await world.pollux(["resume", "flux/images"]).exit == .code(0))
                #expect(try await world.pollux(["wait", id(submitted.output)]).exit == .code(0))
            }
        }
    }
}
