import Foundation
import Glibc
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Tests faults of the machine and of other programs.
    @Suite struct MachineFaultTests {
        @Test(arguments: [false, true])
        func `a deleted socket is created again, and tasks continue`(withItsDirectory: Bool) async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let id = try await world.daemon.submit("veo/videos", ["prompt": "x [seconds=60]"]).at("id").string ?? ""
                try await world.daemon.process.logged("submitting → running")
                let socket = world.daemon.socketPath
                let lost = withItsDirectory ? (socket as NSString).deletingLastPathComponent : socket
                try FileManager.default.removeItem(atPath: lost)
                let unreachable = try await world.pollux(["status"])
                #expect(unreachable.exit == .code(69), "\(unreachable)")
                try await world.daemon.process.logged("It is created again")
                try await world.daemon.process.logged("listens on", count: 2)
                #expect(try await world.daemon.ended(id).at("state").string == "succeeded")
                #expect(try await world.sandbox.ledger().billed == 1)
                // The path is still locked, so another daemon with another state directory cannot use it.
                let other = try await world.pollux(["serve", "--state-dir", world.directory + "/other"])
                #expect(other.exit != .code(0))
                #expect(other.errors.contains("already serves the socket"), "\(other)")
                #expect(try await world.daemon.stop() == .code(0))
            }
        }

        @Test func `while another program locks the database nothing is lost, and submissions report it`() async throws
        {
            try await withWorld { world in
                try await world.daemon.start()
                // Gives the other program time to start. The task must not end before the lock is held.
                let early =
                    try await world.daemon.submit("flux/images", ["prompt": "early [seconds=900]"]).at("id").string
                    ?? ""
                try await world.daemon.process.logged("submitting → running")
                let script = """
                    import sqlite3, sys, time
                    db = sqlite3.connect(sys.argv[1], isolation_level=None)
                    db.execute("BEGIN IMMEDIATE")
                    print("locked", flush=True)
                    time.sleep(600)
                    """
                let locker = try ChildProcess(
                    ["python3", "-c", script, world.daemon.stateDirectory + "/pollux.sqlite"], of: "/usr/bin/env",
                    environment: ["PATH": "/usr/local/bin:/usr/bin:/bin"])
                #expect(try await locker.firstLine() == "locked")
                let refused = try await world.daemon.ask(
                    "POST", "/v1/tasks", json: world.daemon.submission("flux/images", ["prompt": "late"]))
                #expect(refused.status == 503, "\(refused.text)")
                #expect(try refused.json.at("code").string == "storage_locked")
                // Reading continues meanwhile.
                #expect(try await world.daemon.task(early).at("state").string == "running")
                await locker.destroy()
                #expect(try await world.daemon.ended(early).at("state").string == "succeeded")
                let late =
                    try await world.daemon.submit("flux/images", ["prompt": "late [seconds=10]"]).at("id").string ?? ""
                #expect(try await world.daemon.ended(late).at("state").string == "succeeded")
                #expect(try await world.sandbox.ledger().billed == 2)
            }
        }

        @Test func `with few file descriptors fewer connections are served and nothing is lost`() async throws {
            try await withWorld { world in
                let process = try ChildProcess(
                    ["-c", "ulimit -n 90; exec \"$0\" serve", ChildProcess.pollux], of: "/bin/sh",
                    environment: world.daemon.environment)
                try await process.logged("listens on")
                try await process.logged("the limit of open files is low")
                let id = try await submit(to: world)
                // More programs than file descriptors. The others wait in the kernel's queue.
                var crowd: [Connection] = []
                for _ in 0..<120 {
                    let one = try world.daemon.connect()
                    try one.write("GET /v1/tasks/\(id)?wait_seconds=\(patience) HTTP/1.1\r\nHost: pollux\r\n\r\n")
                    crowd.append(one)
                }
                let answered = try await onThread { [crowd] in try crowd[0].reply().json }
                #expect(answered.at("state").string == "succeeded")
                for one in crowd { one.cut() }
                crowd = []
                let later = try await submit(to: world)
                let ended = try await world.daemon.ask("GET", "/v1/tasks/\(later)?wait_seconds=\(patience)")
                #expect(try ended.json.at("state").string == "succeeded")
                process.send(SIGTERM)
                #expect(try await process.exit() == .code(0))
                #expect(try await world.sandbox.ledger().billed == 2)
            }
        }

        private func submit(to world: World) async throws -> String {
            let document = world.daemon.submission("flux/images", ["prompt": "x [seconds=30]"])
            let reply = try await world.daemon.ask("POST", "/v1/tasks", json: document)
            #expect(reply.status == 201, "\(reply.text)")
            return try reply.json.at("id").string ?? ""
        }
    }
}
