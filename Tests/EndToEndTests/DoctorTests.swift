import Foundation
import Glibc
import Testing
import VerbatimJSON

extension EndToEnd {
    /// `pollux doctor` against a healthy daemon, and with planted troubles.
    @Suite struct DoctorTests {
        /// A trouble, and what `pollux doctor` says about it.
        struct Trouble: Sendable, CustomTestStringConvertible {
            let testDescription: String
            let check: String
            /// What the message contains: what is wrong, and what to do.
            let words: [String]
            /// Prepares the trouble before the start; returns environment variables for it.
            var prepare: @Sendable (World) throws -> [String: String?] = { _ in [:] }
            /// Plants it in the running daemon.
            var plant: @Sendable (World) throws -> Void = { _ in }
        }

        private static func write(_ text: String, to path: String, mode: Int = 0o600) throws {
            let directory = URL(filePath: path).deletingLastPathComponent()
            try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: URL(filePath: path))
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        }

        private static func settings(_ world: World) -> String { world.directory + "/.config/pollux/pollux.yaml" }
        private static func tokenFile(_ world: World) -> String { world.directory + "/token" }

        /// Has the daemon take its token from a file.
        private static func withTokenFile(_ world: World) throws -> [String: String?] {
            try write(World.token, to: tokenFile(world))
            return ["XHUOAPI_TOKEN": nil, "XHUOAPI_TOKEN_FILE": tokenFile(world)]
        }

        private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "CallbackAPITests/Fixtures")

        static let troubles: [Trouble] = [
            Trouble(
                testDescription: "an invalid settings file", check: "settings",
                words: ["poling", "the next reload or start fails", "Correct that"],
                plant: { world in try write("poling: {max_gap_seconds: 5}\n", to: settings(world)) }),
            Trouble(
                testDescription: "settings that were not reloaded", check: "settings",
                words: ["log.level changed on disk", "Run pollux reload"],
                plant: { world in try write("log: {level: debug}\n", to: settings(world)) }),
            Trouble(
                testDescription: "settings that need a restart", check: "settings",
                words: ["events.max_streams changed on disk", "Start the daemon again"],
                plant: { world in try write("events: {max_streams: 7}\n", to: settings(world)) }),
            Trouble(
                testDescription: "a state directory that others enter", check: "files",
                words: ["Other users can enter the state directory", "Run chmod 700 "],
                plant: { world in chmod(world.daemon.stateDirectory, 0o755) }),
            Trouble(
                testDescription: "a database file that others read", check: "files",
                words: ["Other users can open this file", "Run chmod 600 "],
                plant: { world in chmod(world.daemon.stateDirectory + "/pollux.sqlite", 0o644) }),
            Trouble(
                testDescription: "a socket that others open", check: "files",
                words: ["spend money", "Run chmod 600 "],
                plant: { world in chmod(world.daemon.socketPath, 0o666) }),
            Trouble(
                testDescription: "a token file that others read", check: "settings",
                words: ["Other users can read the token file", "Run `chmod 600`"], prepare: withTokenFile,
                plant: { world in chmod(tokenFile(world), 0o644) }),
            Trouble(
                testDescription: "a token file that has gone", check: "files",
                words: ["cannot be read any more", "Put it back"], prepare: withTokenFile,
                plant: { world in unlink(tokenFile(world)) }),
            Trouble(
                testDescription: "no token", check: "account",
                words: ["all tasks wait in the queue", "Set XHUOAPI_TOKEN_FILE"],
                prepare: { _ in ["XHUOAPI_TOKEN": nil] }
            ),
            Trouble(
                testDescription: "a token that the provider refuses", check: "account",
                words: ["refuses its token: token_expired", "Put a valid token into its file and run pollux reload"],
                prepare: { _ in ["XHUOAPI_TOKEN": "expired-token"] }),
            Trouble(
                testDescription: "a provider that cannot be reached", check: "account",
                words: ["could not be reached", "Check the network"],
                prepare: { _ in ["XHUOAPI_BASE_URL": "http://127.0.0.1:1/v1"] }),
            Trouble(
                testDescription: "a destination that does not answer", check: "destination",
                words: ["did not take a test", "pollux notifications test nobody"],
                prepare: { world in
                    try write(
                        "notifications: {destinations: {nobody: {url: \"http://127.0.0.1:1/hook\"}}}\n",
                        to: settings(world))
                    return [:]
                }),
            Trouble(
                testDescription: "a public URL that leads nowhere", check: "callbacks",
                words: ["This machine cannot reach it", "Check the name"],
                prepare: { _ in
                    ["POLLUX_CALLBACKS_LISTEN": "127.0.0.1:0", "POLLUX_CALLBACKS_PUBLIC_URL": "http://127.0.0.1:1"]
                }),
            Trouble(
                testDescription: "a public URL that leads to another server", check: "callbacks",
                words: ["Another server answers there (HTTP status 404)", "forwarded to callbacks.listen"],
                prepare: { world in
                    [
                        "POLLUX_CALLBACKS_LISTEN": "127.0.0.1:0",
                        "POLLUX_CALLBACKS_PUBLIC_URL": "http://127.0.0.1:\(world.sandbox.port)",
                    ]
                }),
            Trouble(
                testDescription: "a certificate that no program trusts", check: "gateway",
                words: ["the certificate of localhost is not trusted", "gateway.certificate_file"],
                prepare: { _ in
                    [
                        "POLLUX_GATEWAY_LISTEN": "localhost:\(try freePort())",
                        "POLLUX_GATEWAY_CERTIFICATE_FILE": folder.appending(path: "certificate.pem").path,
                        "POLLUX_GATEWAY_KEY_FILE": folder.appending(path: "key.pem").path,
                    ]
                }),
            Trouble(
                testDescription: "no room for files of results", check: "artefacts",
                words: ["No file of a result is fetched", "lower artefacts.keep_free"],
                prepare: { _ in ["POLLUX_ARTEFACTS_CAPTURE": "results", "POLLUX_ARTEFACTS_KEEP_FREE": "1000TiB"] }),
            Trouble(
                testDescription: "a database that was moved away", check: "database",
                words: ["Nothing is stored or sent until that is repaired"],
                plant: { world in
                    let path = world.daemon.stateDirectory + "/pollux.sqlite"
                    try FileManager.default.moveItem(atPath: path, toPath: path + ".aside")
                }),
        ]

        /// The messages of the checks with that result, by check.
        private func checks(_ json: JSONValue, _ result: String) -> [(check: String, text: String)] {
            (json.at("checks").array ?? []).filter { $0.at("result").string == result }.map { check in
                (
                    check.at("check").string ?? "",
                    (check.at("subject").string ?? "") + " " + (check.at("message").string ?? "")
                )
            }
        }

        private func doctor(_ world: World) async throws -> (exit: ChildProcess.Exit, json: JSONValue) {
            let reply = try await world.pollux(["doctor", "--json"])
            return (reply.exit, try JSONValue(parsing: reply.output))
        }

        @Test(arguments: troubles) func `a planted trouble is found, and its cure is named`(_ trouble: Trouble)
            async throws
        {
            try await withWorld { world in
                try await world.daemon.start(try trouble.prepare(world))
                try trouble.plant(world)
                let (exit, json) = try await doctor(world)
                #expect(exit == .code(1))
                let found = checks(json, "trouble")
                #expect(json.at("troubles").integer == found.count)
                #expect(
                    found.contains { check, text in
                        check == trouble.check && trouble.words.allSatisfy { text.contains($0) }
                    }, "\(json.text)")
                // Nothing else is blamed, except by checks that meet the same trouble.
                let others = Set(found.map(\.check)).subtracting([trouble.check, "files", "settings"])
                #expect(others.isEmpty, "\(json.text)")
                #expect(try await world.sandbox.ledger().billed == 0)
                #expect(!json.text.contains(World.token))
                let lines = try await world.pollux(["doctor"])
                #expect(lines.exit == .code(1))
                for word in trouble.words { #expect(lines.output.contains(word), "\(lines.output)") }
            }
        }

        @Test func `a healthy daemon has no trouble, and what cannot be seen is said`() async throws {
            try await withWorld { world in
                let receiver = try await NotificationTests.Receiver(world)
                let (callbacks, gateway) = (try freePort(), try freePort())
                try Self.write(
                    "notifications: {destinations: {hook: {url: \"\(receiver.url)\"}}}\n", to: Self.settings(world))
                try await world.daemon.start([
                    "POLLUX_CALLBACKS_LISTEN": "127.0.0.1:\(callbacks)",
                    "POLLUX_CALLBACKS_PUBLIC_URL": "http://127.0.0.1:\(callbacks)",
                    "POLLUX_GATEWAY_LISTEN": "127.0.0.1:\(gateway)", "POLLUX_ARTEFACTS_CAPTURE": "results",
                ])
                let (exit, json) = try await doctor(world)
                #expect(exit == .code(0), "\(json.text)")
                #expect(json.at("troubles").integer == 0)
                #expect(
                    Set(checks(json, "ok").map(\.check)) == [
                        "settings", "files", "disk", "database", "account", "clock", "artefacts", "destination",
                        "callbacks", "gateway",
                    ], "\(json.text)")
                #expect(checks(json, "ok").contains { $0.text.contains("pollux status counts deliveries") })
                #expect(receiver.taken.map { $0.at("body", "type").string } == ["pollux.ping"])
                #expect(try await world.sandbox.ledger().billed == 0)
                let lines = try await world.pollux(["doctor"])
                #expect(lines.exit == .code(0) && lines.output.hasSuffix("No trouble was found.\n"), "\(lines.output)")
                await receiver.process.destroy()
            }
        }

        @Test func `a wrong clock is found by the provider's`() async throws {
            let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Clients/wrong_clock.py")
            let provider = try ChildProcess(
                [script.path, "7200"], of: "/usr/bin/python3", environment: ["PATH": "/usr/bin:/bin"])
            let port = try await provider.firstLine()
            try await withWorld { world in
                try await world.daemon.start(["XHUOAPI_BASE_URL": "http://127.0.0.1:\(port)/v1"])
                let (exit, json) = try await doctor(world)
                #expect(exit == .code(1))
                let found = checks(json, "trouble")
                #expect(found.map(\.check) == ["clock"], "\(json.text)")
                let seconds = try #require(found.first?.text.firstMatch(of: /is (\d+) s behind xhuoapi's/)).1
                #expect((7_195...7_205).contains(Int(seconds) ?? 0))
                #expect(found.first?.text.contains("timedatectl set-ntp true") == true)
            }
            await provider.destroy()
        }

        @Test func `without a daemon, files and the whole database are checked, and the rest is listed`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let task = try await world.daemon.submit("flux/images", ["prompt": "a fox [seconds=5]"])
                _ = try await world.daemon.ended(task.at("id").string ?? "")
                #expect(try await world.daemon.stop() == .code(0))
                var (exit, json) = try await doctor(world)
                #expect(exit == .code(1))
                var found = checks(json, "trouble")
                #expect(found.map(\.check) == ["daemon"], "\(json.text)")
                #expect(found.first?.text.contains("No daemon answers there") == true)
                #expect(found.first?.text.contains("Start it: pollux serve") == true)
                #expect(Set(checks(json, "ok").map(\.check)).isSuperset(of: ["settings", "files", "disk", "database"]))
                #expect(Set(checks(json, "unchecked").map(\.check)) == ["account", "clock"])

                // A page in the middle of the file.
                let path = world.daemon.stateDirectory + "/pollux.sqlite"
                let file = open(path, O_RDWR)
                let size = lseek(file, 0, SEEK_END)
                let garbage = [UInt8](repeating: 0xa5, count: Int(size) - 8_192)
                _ = pwrite(file, garbage, garbage.count, 8_192)
                close(file)
                let before = try Data(contentsOf: URL(filePath: path))
                (exit, json) = try await doctor(world)
                found = checks(json, "trouble")
                #expect(exit == .code(1) && found.map(\.check) == ["daemon", "database"], "\(json.text)")
                #expect(found.last?.text.contains("docs/troubleshooting.md") == true)
                // It was only read.
                #expect(try Data(contentsOf: URL(filePath: path)) == before)

                // Invalid settings hide the place of everything else.
                try Self.write("poling: {max_gap_seconds: 5}\n", to: Self.settings(world))
                (exit, json) = try await doctor(world)
                #expect(exit == .code(1))
                #expect(checks(json, "trouble").contains { $0.check == "settings" && $0.text.contains("poling") })
                #expect(checks(json, "unchecked").contains { $0.text.contains("were not checked") })
            }
        }

        @Test func `a small disk is found`() async throws {
            let base = try temporaryDirectory()
            defer { try? FileManager.default.removeItem(atPath: base) }
            guard let disk = try FullDiskTests.SmallDisk(at: base + "/disk") else {
                print("SKIPPED: no tmpfs can be mounted here (that needs root), so the small disk is not tested.")
                return
            }
            defer { disk.unmount() }
            try await withWorld(stateDirectory: disk.path + "/state") { world in
                try await world.daemon.start()
                let (exit, json) = try await doctor(world)
                #expect(exit == .code(1))
                let found = checks(json, "trouble")
                #expect(found.map(\.check) == ["disk"], "\(json.text)")
                #expect(found.first?.text.contains("MiB free, and on a full disk nothing is stored or sent") == true)
                #expect(found.first?.text.contains("Make room") == true)
            }
        }
    }
}
