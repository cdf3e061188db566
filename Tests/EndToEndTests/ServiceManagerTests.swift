import Foundation
import Glibc
import Testing
import VerbatimJSON

extension EndToEnd {
    /// A daemon that a service manager starts, such as systemd.
    @Suite struct ServiceManagerTests {
        private func settings(_ world: World, _ text: String) throws {
            let directory = world.directory + "/.config/pollux"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: URL(filePath: directory + "/pollux.yaml"))
        }

        // MARK: Reports

        @Test(arguments: [false, true])
        func `start, reloads and stop are reported, and no program gets the variables for it`(isAbstract: Bool)
            async throws
        {
            try await withWorld { world in
                let manager = try ServiceManagerStandIn(in: world.directory, isAbstract: isAbstract, watchdog: 60)
                defer { manager.finish() }
                let output = world.directory + "/environment"
                let valid = """
                    notifications:
                      destinations:
                        desk: {exec: [/bin/sh, -c, 'env > \(output).new; mv \(output).new \(output)'], events: [task.succeeded]}
                    """
                try settings(world, valid)
                try manager.listen(at: world.daemon.socketPath, as: "socket")
                try await world.daemon.start(by: manager)
                try await manager.received("READY=1")
                #expect(manager.lines.first == "STATUS=Opens the database")
                #expect(manager.lines.contains("STATUS=Accepts work at \(world.daemon.socketPath)"))

                let task = try await world.daemon.submit("flux/images", ["prompt": "a fox [seconds=5]"])
                _ = try await world.daemon.ended(task.at("id").string ?? "")
                try await exists(output)
                let variables = try String(contentsOfFile: output, encoding: .utf8)
                #expect(variables.contains("POLLUX_EVENT=task.succeeded"), "\(variables)")
                #expect(!variables.contains("NOTIFY_SOCKET") && !variables.contains("WATCHDOG_"), "\(variables)")
                #expect(!variables.contains("LISTEN_"), "\(variables)")

                try settings(world, valid + "\nlog: {level: debug}\n")
                world.daemon.process.send(SIGHUP)
                try await manager.received("READY=1", count: 2)
                try await manager.received("STATUS=Reloaded the settings")
                try settings(world, "logg: {level: debug}\n")
                #expect(try await world.pollux(["reload"]).exit != .code(0))
                try await manager.received("READY=1", count: 3)
                #expect(manager.lines.last?.hasPrefix("STATUS=The settings were not reloaded") == true)
                let order = manager.lines.filter { ["READY=1", "RELOADING=1"].contains($0) }
                #expect(order == ["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1"])
                #expect(manager.lines.count { $0.hasPrefix("MONOTONIC_USEC=") } == 2)

                try settings(world, valid)
                #expect(try await world.daemon.stop() == .code(0))
                try await manager.received("STOPPING=1")
            }
        }

        @Test func `a start that fails says why`() async throws {
            try await withWorld { world in
                let manager = try ServiceManagerStandIn(in: world.directory)
                defer { manager.finish() }
                let port = try manager.listen(as: "gateway.listen")
                let process = try world.daemon.launch(by: manager)
                #expect(try await process.exit() != .code(0))
                let message =
                    "The service manager listens on 127.0.0.1:\(port) for gateway.listen, which is not set, so nobody would answer there."
                #expect(process.errorText.contains(message), "\(process.errorText)")
                try await manager.received("STATUS=\(message) Set gateway.listen, or disable the socket unit.")
                #expect(!manager.lines.contains("READY=1"))
            }
        }

        // MARK: Sockets

        @Test func `clients of the socket and the gateway wait over a restart, and are paid once`() async throws {
            try await withWorld { world in
                let manager = try ServiceManagerStandIn(in: world.directory)
                defer { manager.finish() }
                try manager.listen(at: world.daemon.socketPath, as: "socket")
                let port = try manager.listen(as: "gateway.listen")
                let changes: [String: String?] = ["POLLUX_GATEWAY_LISTEN": "127.0.0.1:\(port)"]
                try await world.daemon.start(changes, by: manager)
                try await manager.received("READY=1")
                let token = try await world.pollux(["gateway", "token", "add", "notebook"]).output
                    .trimmingCharacters(in: .whitespacesAndNewlines)
                // The mode is the service manager's.
                #expect(try mode(of: world.daemon.socketPath) == 0o660)
                #expect(try await doctor(world, "files").at("result").string == "ok")

                #expect(try await world.daemon.stop() == .code(0))
                // Nobody listens now, and these clients send their requests once.
                let body = #"{"prompt":"a heron [seconds=5]"}"#
                let submission = try await onThread {
                    let connection = try Connection(port: port)
                    try connection.write(
                        """
                        POST /xhuoapi/v1/flux/images HTTP/1.1\r
                        Host: 127.0.0.1\r
                        Authorization: Bearer \(token)\r
                        Content-Type: application/json\r
                        Content-Length: \(body.utf8.count)\r
                        \r
                        \(body)
                        """)
                    return connection
                }
                let status = try await onThread { [socketPath = world.daemon.socketPath] in
                    let connection = try Connection(socketPath: socketPath)
                    try connection.write("GET /v1/status HTTP/1.1\r\nHost: pollux\r\nConnection: close\r\n\r\n")
                    return connection
                }
                try await world.daemon.start(changes, by: manager)
                #expect(try await onThread { try status.reply() }.status == 200)
                let reply = try await onThread { try submission.reply() }
                #expect(reply.status == 200, "\(reply.text)")
                let tasks = try await world.daemon.ask("GET", "/v1/tasks").json.at("tasks").array ?? []
                #expect(tasks.count == 1)
                _ = try await world.daemon.ended(tasks.first?.at("id").string ?? "")
                #expect(try await world.sandbox.ledger().billed == 1)
            }
        }

        @Test func `a deleted socket of the service manager is reported, because only it can create the file again`()
            async throws
        {
            try await withWorld { world in
                let manager = try ServiceManagerStandIn(in: world.directory)
                defer { manager.finish() }
                try manager.listen(at: world.daemon.socketPath, as: "socket")
                try await world.daemon.start(by: manager)
                let connection = try world.daemon.connect()
                try FileManager.default.removeItem(atPath: world.daemon.socketPath)
                try await world.daemon.process.logged("restart its socket unit")
                // An open connection still works.
                let reply = try await onThread {
                    try connection.write("GET /healthz HTTP/1.1\r\nHost: pollux\r\n\r\n")
                    return try connection.reply()
                }
                #expect(reply.status == 200)
                #expect(!FileManager.default.fileExists(atPath: world.daemon.socketPath))
                #expect(try await world.daemon.stop() == .code(0))
            }
        }

        @Test func `a browser reaches the dashboard over TLS on a socket of the service manager, also after a restart`()
            async throws
        {
            try await withWorld { world in
                let manager = try ServiceManagerStandIn(in: world.directory)
                defer { manager.finish() }
                try manager.listen(at: world.daemon.socketPath, as: "socket")
                let port = try manager.listen(as: "dashboard.listen")
                let changes: [String: String?] = [
                    "POLLUX_DASHBOARD_LISTEN": "127.0.0.1:\(port)",
                    "POLLUX_DASHBOARD_CERTIFICATE_FILE": Self.fixtures + "certificate.pem",
                    "POLLUX_DASHBOARD_KEY_FILE": Self.fixtures + "key.pem",
                ]
                for _ in 0..<2 {
                    try await world.daemon.start(changes, by: manager)
                    let printed = try await world.pollux(["open"]).output
                    let code = try #require(
                        printed.firstMatch(of: /^https:\/\/127\.0\.0\.1:(\d+)\/#login=([A-Za-z0-9_-]{43})\n$/),
                        "\(printed)")
                    #expect(Int(code.1) == port)
                    let page = try await curl(port, "/", [])
                    #expect(page.contains("<title>"), "\(page)")
                    let session = try await curl(
                        port, "/dashboard/session",
                        ["-H", "Sec-Fetch-Site: same-origin", "-d", #"{"code":"\#(code.2)"}"#])
                    let token = try JSONValue(parsing: session).at("token").string ?? ""
                    let status = try await curl(port, "/v1/status", ["-H", "Authorization: Bearer \(token)"])
                    #expect(status.contains(#""pid""#), "\(status)")
                    // Without encryption nobody answers.
                    #expect(try await curl(port, "/", [], scheme: "http").isEmpty)
                    #expect(try await world.daemon.stop() == .code(0))
                }
            }
        }

        private static let fixtures =
            URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
            + "/CallbackAPITests/Fixtures/"

        /// What curl gets from a port of this machine; it trusts the test's certificate and no other.
        private func curl(
            _ port: Int, _ target: String, _ arguments: [String], scheme: String = "https"
        ) async throws -> String {
            let curl = try ChildProcess(
                ["-sS", "--max-time", "20", "--cacert", Self.fixtures + "certificate.pem"] + arguments
                    + ["\(scheme)://127.0.0.1:\(port)\(target)"], of: "/usr/bin/curl", environment: [:])
            _ = try await curl.exit()
            return curl.outputText
        }

        private func mode(of path: String) throws -> Int {
            try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int ?? 0
        }

        private func doctor(_ world: World, _ check: String) async throws -> JSONValue {
            let findings = try await world.daemon.ask("POST", "/v1/doctor").json.at("checks").array ?? []
            return try #require(findings.first { $0.at("check").string == check })
        }

        // MARK: The watchdog

        /// Builds a library in which `fdatasync` of the write-ahead log waits while a certain file exists. It says by another
        /// file that it waits.
        private func frozenDisk(in directory: String) throws -> (library: String, ice: String, mark: String) {
            let (ice, mark) = (directory + "/ice", directory + "/frozen")
            let source = """
                #define _GNU_SOURCE
                #include <fcntl.h>
                #include <stdio.h>
                #include <string.h>
                #include <sys/syscall.h>
                #include <unistd.h>

                int fdatasync(int file) {
                    char link[64], path[512];
                    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
                    ssize_t length = readlink(link, path, sizeof path - 1);
                    if (length > 4 && !strncmp(path + length - 4, "-wal", 4))
                        while (!access("\(ice)", F_OK)) {
                            close(open("\(mark)", O_CREAT | O_WRONLY, 0600));
                            usleep(10000);
                        }
                    return syscall(SYS_fdatasync, file);
                }
                """
            try source.write(toFile: directory + "/ice.c", atomically: true, encoding: .utf8)
            let compiler = Process()
            compiler.executableURL = URL(filePath: "/usr/bin/gcc")
            compiler.arguments = ["-shared", "-fPIC", "-o", directory + "/ice.so", directory + "/ice.c"]
            try compiler.run()
            compiler.waitUntilExit()
            try #require(compiler.terminationStatus == 0)
            return (directory + "/ice.so", ice, mark)
        }

        @Test func `a writer that is stuck ends the daemon, an idle one and a slow one do not`() async throws {
            let tools = try temporaryDirectory()
            defer { try? FileManager.default.removeItem(atPath: tools) }
            let (library, ice, mark) = try frozenDisk(in: tools)
            try await withWorld { world in
                let manager = try ServiceManagerStandIn(in: world.directory, watchdog: 9)
                defer { manager.finish() }
                try await world.daemon.start(["LD_PRELOAD": library], by: manager)
                try await manager.received("READY=1")
                let before = manager.lines.count { $0 == "WATCHDOG=1" }
                // Three empty transactions: longer than the daemon may be silent.
                try await manager.received("WATCHDOG=1", count: before + 3)
                #expect(!world.daemon.process.hasEnded)

                // A commit that waits, and then ends.
                try Data().write(to: URL(filePath: ice))
                async let slow = world.daemon.submit("flux/images", ["prompt": "slow [seconds=5]"])
                try await exists(mark)
                try FileManager.default.removeItem(atPath: ice)
                let id = try await slow.at("id").string ?? ""
                #expect(try await world.daemon.ended(id).at("state").string == "succeeded")

                // A commit that does not end.
                try FileManager.default.removeItem(atPath: mark)
                try Data().write(to: URL(filePath: ice))
                let process = world.daemon.process
                let document = world.daemon.submission(
                    "flux/images", ["prompt": "stuck [seconds=5]"], with: ["idempotency_key": "k"])
                async let stuck = world.daemon.ask("POST", "/v1/tasks", json: document)
                try await exists(mark)
                #expect(try await process.exit() == .signal(SIGKILL))
                _ = try? await stuck
                try FileManager.default.removeItem(atPath: ice)
                try await world.daemon.start(["LD_PRELOAD": library], by: manager)
                // The commit may be on disk, although its sync never ended.
                let again = try await world.daemon.ask("POST", "/v1/tasks", json: document)
                #expect(again.status == 200 || again.status == 201, "\(again.text)")
                #expect(
                    try await world.daemon.ended(again.json.at("id").string ?? "").at("state").string == "succeeded")
                #expect(try await world.sandbox.ledger().billed == 2)
            }
        }

        /// Returns once the file is there.
        private func exists(_ path: String) async throws {
            try await onThread {
                let deadline = Date(timeIntervalSinceNow: Double(patience))
                while !FileManager.default.fileExists(atPath: path) {
                    guard Date() < deadline else { throw TooLate(description: "\(path) did not appear") }
                    usleep(10_000)
                }
            }
        }
    }
}
