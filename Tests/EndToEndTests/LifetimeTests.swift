import Foundation
import Glibc
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Tests the start, the stop and the files of the daemon.
    @Suite struct LifetimeTests {
        @Test func `a second daemon is rejected with the first one's pid, which continues`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let pid = world.daemon.process.pid
                for environment in [
                    ["POLLUX_SOCKET": world.directory + "/other.sock"],
                    ["POLLUX_STATE_DIR": world.directory + "/other"], [:],
                ] {
                    let second = try await world.pollux(["serve"], environment: environment)
                    #expect(second.exit == .code(69))
                    #expect(second.errors.contains("pid \(pid)"), "\(second.errors)")
                }
                let id =
                    try await world.daemon.submit("flux/images", ["prompt": "x [seconds=10]"]).at("id").string ?? ""
                #expect(try await world.daemon.ended(id).at("state").string == "succeeded")
            }
        }

        @Test func `other users cannot read the daemon's files`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let id =
                    try await world.daemon.submit("flux/images", ["prompt": "x [seconds=10]"]).at("id").string ?? ""
                _ = try await world.daemon.ended(id)
                let places = [
                    (world.daemon.stateDirectory, "pollux.sqlite"), (world.directory + "/run", "pollux.sock"),
                ]
                for (directory, file) in places {
                    #expect(mode(of: directory) == 0o700, "\(directory)")
                    let names = try FileManager.default.contentsOfDirectory(atPath: directory)
                    #expect(names.contains(file))
                    for name in names {
                        let path = directory + "/" + name
                        #expect(mode(of: path) == (isDirectory(path) ? 0o700 : 0o600), "\(path)")
                    }
                }
            }
        }

        private func mode(of path: String) -> Int? {
            (try? FileManager.default.attributesOfItem(atPath: path))?[.posixPermissions] as? Int
        }

        private func isDirectory(_ path: String) -> Bool {
            (try? FileManager.default.attributesOfItem(atPath: path))?[.type] as? FileAttributeType == .typeDirectory
        }

        @Test func `a socket file of a killed daemon does not prevent a start`() async throws {
            try await withWorld { world in
                for _ in 0..<3 {
                    try await world.daemon.start()
                    try await world.daemon.kill9()
                    #expect(FileManager.default.fileExists(atPath: world.daemon.socketPath))
                }
                try await world.daemon.start()
                #expect(try await world.daemon.ask("GET", "/readyz").status == 200)
            }
        }

        @Test func `SIGTERM lets a slow paid request finish and ends long polls`() async throws {
            // The provider accepts the second task, delays its reply for three seconds, then closes. The tasks are
            // submitted one after another, because two concurrent requests may arrive in either order.
            try await withWorld(faults: "hang@2:3s", speed: 1) { world in
                try await world.daemon.start()
                let polled =
                    try await world.daemon.submit("veo/videos", ["prompt": "x [seconds=500]"]).at("id").string ?? ""
                try await world.daemon.process.logged("submitting → running")
                let poll = try world.daemon.connect()
                try poll.write("GET /v1/tasks/\(polled)?wait_seconds=300 HTTP/1.1\r\nHost: pollux\r\n\r\n")
                let slow =
                    try await world.daemon.submit("flux/images", ["prompt": "x [seconds=3]"]).at("id").string ?? ""
                try await world.daemon.process.logged("queued → submitting", count: 2)
                // Much shorter than the poll's five minutes.
                #expect(try await world.daemon.stop() == .code(0))
                let answer = try await onThread { try poll.reply() }
                #expect(answer.status == 200)
                #expect(try answer.json.at("state").string == "running")
                #expect(
                    world.daemon.log.contains(
                        "\(slow) flux/images submitting → uncertain (submission interrupted): reply_lost"))
                try await world.daemon.start()
                #expect(try await world.daemon.ended(slow).at("state").string == "succeeded")
                #expect(try await world.sandbox.ledger().billed == 2)
            }
        }

        @Test func `SIGTERM waits at most 20 seconds for a provider that never replies`() async throws {
            try await withWorld(faults: "hang@1") { world in
                try await world.daemon.start()
                let id =
                    try await world.daemon.submit("flux/images", ["prompt": "x [seconds=60]"]).at("id").string ?? ""
                try await world.daemon.process.logged("queued → submitting")
                let began = Date()
                #expect(try await world.daemon.stop() == .code(0))
                // Waiting for the request's timeout would take a minute. On a busy machine the stop takes longer than
                // 20 seconds.
                #expect((19...50).contains(Date().timeIntervalSince(began)))
                try await world.daemon.start()
                let task = try await world.daemon.ended(id)
                #expect(task.at("state").string == "succeeded")
                #expect(task.at("resolution").string == "found_in_list")
                #expect(try await world.sandbox.ledger().billed == 1)
            }
        }

        @Test func `a damaged or foreign database prevents the start, is explained and stays unchanged`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let id =
                    try await world.daemon.submit("flux/images", ["prompt": "x [seconds=10]"]).at("id").string ?? ""
                _ = try await world.daemon.ended(id)
                #expect(try await world.daemon.stop() == .code(0))
                // All data is in the main file now, so a copy of it is a backup.
                let path = world.daemon.stateDirectory + "/pollux.sqlite"
                #expect(FileManager.default.contents(atPath: path + "-wal")?.isEmpty != false)
                let whole = try #require(FileManager.default.contents(atPath: path))
                var holed = whole
                holed.replaceSubrange(4_096..<20_480, with: Data(repeating: 0xa5, count: 16_384))
                let wrecks = [
                    Data(), Data("not a database at all, but long enough to look like one".utf8),
                    Data(whole.prefix(5_000)), holed,
                ]
                for wreck in wrecks {
                    try wreck.write(to: URL(filePath: path))
                    let start = try await world.pollux(["serve"])
                    #expect(start.exit == .code(69), "\(wreck.count) bytes: \(start.errors)")
                    #expect(start.errors.contains("damaged"), "\(wreck.count) bytes: \(start.errors)")
                    #expect(FileManager.default.contents(atPath: path) == wreck, "\(wreck.count) bytes")
                }
                try whole.write(to: URL(filePath: path))
                try await world.daemon.start()
                #expect(try await world.daemon.task(id).at("state").string == "succeeded")
            }
        }

        @Test func `an invalid setting prevents the start and is named`() async throws {
            try await withWorld { world in
                let file = world.directory + "/pollux.yaml"
                for (text, naming) in [
                    ("polling:\n  min_gap_second: 2\n", "polling.min_gap_seconds"), ("poling: {}\n", "\"polling\""),
                    ("log:\n  level: loud\n", "log.level"), ("a: [", "pollux.yaml"), ("- 1\n", "pollux.yaml"),
                ] {
                    try text.write(toFile: file, atomically: true, encoding: .utf8)
                    let start = try await world.pollux(["serve", "--config", file])
                    #expect(start.exit == .code(64), "\(text) \(start.errors)")
                    #expect(start.errors.contains(naming), "\(text) \(start.errors)")
                }
                for (name, value) in [
                    ("POLLUX_POLLING_MAX_GAP_SECONDS", "soon"), ("POLLUX_SUBMISSION_ON_UNCERTAIN", "retry"),
                    ("XHUOAPI_BASE_URL", "api.example.com"), ("XHUOAPI_TOKEN", "two words"),
                    ("POLLUX_SOCKET", "/tmp/" + String(repeating: "x", count: 120)),
                    ("POLLUX_CONFIG", "/nowhere/pollux.yaml"),
                ] {
                    let start = try await world.pollux(["serve"], environment: [name: value])
                    #expect(start.exit == .code(64), "\(name) \(start.errors)")
                    #expect(start.errors.contains(name == "POLLUX_CONFIG" ? value : name), "\(name) \(start.errors)")
                }
            }
        }

        @Test func `without a token tasks wait with a reason, and continue once one is set`() async throws {
            try await withWorld { world in
                try await world.daemon.start(["XHUOAPI_TOKEN": nil])
                let task = try await world.daemon.submit("flux/images", ["prompt": "x [seconds=10]"])
                let id = task.at("id").string ?? ""
                #expect(task.at("waiting_for", "code").string == "no_token")
                let waited = try await world.daemon.ask("GET", "/v1/tasks/\(id)?wait_seconds=1").json
                #expect(waited.at("state").string == "queued")
                #expect(waited.at("waiting_for", "message").string?.contains("XHUOAPI_TOKEN") == true)
                #expect(
                    try await world.daemon.ask("GET", "/v1/status").json.at("providers").array?.first?.at("token")
                        .string == "missing")
                #expect(try await world.daemon.stop() == .code(0))
                try await world.daemon.start()
                #expect(try await world.daemon.ended(id).at("state").string == "succeeded")
            }
        }

        @Test func `a rejected token pauses the provider, and a valid one continues after resume`() async throws {
            try await withWorld { world in
                try await world.daemon.start(["XHUOAPI_TOKEN": "expired-token"])
                let first =
                    try await world.daemon.submit("flux/images", ["prompt": "1 [seconds=10]"]).at("id").string ?? ""
                let refused = try await world.daemon.ended(first)
                #expect(refused.at("error", "code").string == "token_expired")
                #expect(refused.at("error", "hint").string?.contains("pollux resume flux/images") == true)
                let second = try await world.daemon.submit("veo/videos", ["prompt": "2 [seconds=10]"])
                #expect(second.at("waiting_for", "message").string?.contains("paused") == true, "\(second.text)")
                _ = try await world.daemon.stop()
                try await world.daemon.start()
                #expect(try await world.pollux(["resume", "flux/images"]).exit == .code(0))
                #expect(try await world.daemon.ended(second.at("id").string ?? "").at("state").string == "succeeded")
            }
        }

        @Test func `the token appears only in requests to the provider`() async throws {
            try await withWorld(faults: "500-error-object@1,lost-reply@2") { world in
                try await world.daemon.start(["POLLUX_LOG_LEVEL": "trace"])
                for number in 0..<3 {
                    _ = try await world.daemon.submit("flux/images", ["prompt": .string("\(number) [seconds=10]")])
                }
                try await world.daemon.process.logged("→ succeeded", count: 2)
                var shown = ""
                for path in ["/v1/status", "/v1/tasks", "/v1/endpoints", "/openapi.json", "/healthz", "/readyz"] {
                    shown += try await world.daemon.ask("GET", path).text
                }
                for arguments in [["status"], ["endpoints"], ["list"], ["list", "--json"]] {
                    let result = try await world.pollux(arguments)
                    shown += result.output + result.errors
                }
                #expect(shown.contains("present"))
                #expect(!shown.contains(World.token))
                let secret = Array(World.token.utf8)
                let files = try FileManager.default.contentsOfDirectory(atPath: world.daemon.stateDirectory)
                #expect(files.contains("pollux.sqlite"))
                for name in files {
                    let bytes = FileManager.default.contents(atPath: world.daemon.stateDirectory + "/" + name) ?? Data()
                    #expect(Array(bytes).occurrences(of: secret) == 0, "\(name)")
                }
                #expect(!world.daemon.log.contains(World.token))
            }
        }
    }
}
