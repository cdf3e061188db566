import Foundation
import Glibc
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Tests with a state directory on a small file system that the test fills.
    @Suite struct FullDiskTests {
        /// A small in-memory file system for one test.
        struct SmallDisk {
            let path: String

            /// Mounts one; nil if that is not permitted.
            init?(at path: String) throws {
                self.path = path
                try FileManager.default.createDirectory(
                    atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
                guard mount("tmpfs", path, "tmpfs", 0, "size=1m,mode=0700") == 0 else { return nil }
            }

            /// Fills the free space except `left` bytes.
            func fill(leaving left: Int = 0) throws {
                let file = open(path + "/filler", O_WRONLY | O_CREAT, 0o600)
                defer { close(file) }
                var info = statvfs()
                statvfs(path, &info)
                let free = Int(info.f_bavail) * Int(info.f_bsize)
                posix_fallocate(file, 0, max(free - left, 4_096))
            }

            func empty() { unlink(path + "/filler") }

            func makeReadOnly(_ isReadOnly: Bool) -> Bool {
                mount("tmpfs", path, "tmpfs", UInt(MS_REMOUNT) | (isReadOnly ? UInt(MS_RDONLY) : 0), "size=1m") == 0
            }

            func unmount() { umount2(path, Int32(MNT_DETACH)) }
        }

        /// Runs a test with the state directory on a small disk. Records it if none can be mounted.
        private func withSmallDisk(_ test: (World, SmallDisk) async throws -> Void) async throws {
            let base = try temporaryDirectory()
            defer { try? FileManager.default.removeItem(atPath: base) }
            guard let disk = try SmallDisk(at: base + "/disk") else {
                print("SKIPPED: no tmpfs can be mounted here (that needs root), so the full disk is not tested.")
                return
            }
            defer { disk.unmount() }
            try await withWorld(stateDirectory: disk.path + "/state") { world in try await test(world, disk) }
        }

        @Test func `on a full disk submissions are rejected, and earlier tasks continue once there is space`()
            async throws
        {
            try await withSmallDisk { world, disk in
                try await world.daemon.start()
                let early =
                    try await world.daemon.submit("flux/images", ["prompt": "early [seconds=600]"]).at("id").string
                    ?? ""
                try await world.daemon.process.logged("submitting → running")
                try disk.fill()
                let refused = try await refusal(world, code: "storage_full")
                #expect(refused.status == 507)
                #expect(try refused.json.at("detail").string?.contains("Free some space") == true)
                // Reading needs no space.
                #expect(try await world.daemon.task(early).at("state").string == "running")
                #expect(try await world.daemon.ask("GET", "/v1/tasks").json.at("tasks").array?.isEmpty == false)
                let cli = try await world.pollux([
                    "submit", "flux/images", "-d", "prompt=\(String(repeating: "x", count: 90_000))",
                ])
                #expect(cli.exit == .code(69))
                #expect(cli.errors.contains("disk is full"), "\(cli.errors)")
                // The provider's reply cannot be stored now, and must not be dropped.
                try await world.daemon.process.logged("Could not store")
                disk.empty()
                #expect(try await world.daemon.ended(early).at("state").string == "succeeded")
                let later =
                    try await world.daemon.submit("flux/images", ["prompt": "later [seconds=10]"]).at("id").string ?? ""
                #expect(try await world.daemon.ended(later).at("state").string == "succeeded")
                try await world.daemon.kill9()
                try await world.daemon.start()
                #expect(try await world.daemon.task(early).at("state").string == "succeeded")
            }
        }

        /// Submits until a submission is rejected, because the write-ahead log may have some space left.
        private func refusal(_ world: World, code: String) async throws -> Reply {
            let long = JSONValue.string(String(repeating: "x", count: 50_000))
            for number in 0..<40 {
                let document = world.daemon.submission(
                    "flux/images", ["prompt": long, "number": .string("\(number)")],
                    with: ["not_before": "2099-01-01T00:00:00Z"])
                let reply = try await world.daemon.ask("POST", "/v1/tasks", json: document)
                if reply.status == 201 { continue }
                #expect(try reply.json.at("code").string == code, "\(reply.text)")
                return reply
            }
            throw TooLate(description: "Nothing was refused")
        }

        @Test func `a start on a full disk is explained`() async throws {
            try await withSmallDisk { world, disk in
                try disk.fill()
                let start = try await world.pollux(["serve"])
                #expect(start.exit == .code(69))
                #expect(start.errors.contains("full") || start.errors.contains("space"), "\(start.errors)")
                disk.empty()
                try await world.daemon.start()
                #expect(try await world.daemon.ask("GET", "/readyz").status == 200)
            }
        }

        @Test func `a read-only state directory prevents the start and is explained, until it is writable`()
            async throws
        {
            try await withSmallDisk { world, disk in
                try await world.daemon.start()
                let early =
                    try await world.daemon.submit("flux/images", ["prompt": "early [seconds=10]"]).at("id").string ?? ""
                _ = try await world.daemon.ended(early)
                try await world.daemon.kill9()
                #expect(disk.makeReadOnly(true))
                let start = try await world.pollux(["serve"])
                #expect(start.exit == .code(69))
                #expect(
                    start.errors.lowercased().contains("read-only") || start.errors.contains("written"),
                    "\(start.errors)")
                #expect(disk.makeReadOnly(false))
                try await world.daemon.start()
                #expect(try await world.daemon.task(early).at("state").string == "succeeded")
            }
        }

        @Test func `a file size limit rejects submissions and kills no process`() async throws {
            try await withWorld { world in
                let process = try ChildProcess(
                    ["-c", "ulimit -f 1000; exec \(ChildProcess.pollux) serve"], of: "/bin/sh",
                    environment: world.daemon.environment)
                defer { process.send(SIGKILL) }
                try await process.logged("listens on")
                let refused = try await refusal(world, code: "storage_full")
                #expect(refused.status == 507)
                let tasks = try await world.daemon.ask("GET", "/v1/tasks").json.at("tasks").array?.count ?? 0
                process.send(SIGTERM)
                #expect(try await process.exit() == .code(0))
                try await world.daemon.start()
                #expect(try await world.daemon.ask("GET", "/v1/tasks").json.at("tasks").array?.count == tasks)
            }
        }
    }
}
