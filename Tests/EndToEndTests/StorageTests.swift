import Foundation
import Glibc
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Tests faults of the daemon's files and disk.
    @Suite struct StorageTests {
        // MARK: A failing disk

        /// Builds a library that fails the `fdatasync` of the write-ahead log after a write that contains `text`, while a
        /// certain file exists. Other commits of the daemon succeed: which come first after a start is left to chance.
        private func failingDisk(in directory: String, after text: String) throws -> (
            library: String, switchFile: String
        ) {
            let switchFile = directory + "/fail"
            let source = """
                #define _GNU_SOURCE
                #include <errno.h>
                #include <stdio.h>
                #include <string.h>
                #include <sys/syscall.h>
                #include <unistd.h>

                static __thread int text_was_written;

                static int is_log(int file) {
                    char link[64], path[512];
                    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
                    ssize_t length = readlink(link, path, sizeof path - 1);
                    return length > 4 && !strncmp(path + length - 4, "-wal", 4);
                }

                ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
                    if (is_log(file) && memmem(bytes, count, "\(text)", strlen("\(text)"))) text_was_written = 1;
                    return syscall(SYS_pwrite64, file, bytes, count, offset);
                }

                /* Fails once for each time that the switch is set: it takes the switch away. */
                int fdatasync(int file) {
                    if (text_was_written && is_log(file)) {
                        text_was_written = 0;
                        if (!unlink("\(switchFile)")) {
                            errno = EIO;
                            return -1;
                        }
                    }
                    return syscall(SYS_fdatasync, file);
                }
                """
            try source.write(toFile: directory + "/disk.c", atomically: true, encoding: .utf8)
            let library = directory + "/disk.so"
            let compiler = Process()
            compiler.executableURL = URL(filePath: "/usr/bin/gcc")
            compiler.arguments = ["-shared", "-fPIC", "-o", library, directory + "/disk.c"]
            try compiler.run()
            compiler.waitUntilExit()
            #expect(compiler.terminationStatus == 0)
            return (library, switchFile)
        }

        @Test(arguments: [false, true])
        func `a submission with a failed commit can be repeated with its key and is paid once`(afterKill: Bool)
            async throws
        {
            let tools = try temporaryDirectory()
            defer { try? FileManager.default.removeItem(atPath: tools) }
            let prompt = "x [seconds=10]"
            let (library, switchFile) = try failingDisk(in: tools, after: prompt)
            try await withWorld(environment: ["LD_PRELOAD": library]) { world in
                try await world.daemon.start()
                let document = world.daemon.submission(
                    "flux/images", ["prompt": .string(prompt)], with: ["idempotency_key": "k"])
                try Data().write(to: URL(filePath: switchFile))
                let answer = try await world.daemon.ask("POST", "/v1/tasks", json: document)
                #expect(answer.status == 503, "\(answer.text)")
                #expect(try answer.json.at("code").string == "storage_unknown")
                #expect(try answer.json.at("detail").string?.contains("same idempotency key") == true)
                if afterKill {
                    try await world.daemon.kill9()
                    try await world.daemon.start()
                }
                let task = try await world.daemon.ask("POST", "/v1/tasks", json: document)
                #expect(task.status == 200 || task.status == 201, "\(task.text)")
                let id = try task.json.at("id").string ?? ""
                #expect(try await world.daemon.ended(id).at("state").string == "succeeded")
                #expect(try await world.sandbox.ledger().billed == 1)
                #expect(try await world.daemon.ask("GET", "/v1/tasks").json.at("tasks").array?.count == 1)
            }
        }

        // MARK: Removed files

        @Test(arguments: ["deleted", "replaced"])
        func `a database deleted under the daemon accepts no task, and nothing is paid`(how: String)
            async throws
        {
            try await withWorld { world in
                try await world.daemon.start()
                let early =
                    try await world.daemon.submit("flux/images", ["prompt": "early [seconds=5]"]).at("id").string ?? ""
                _ = try await world.daemon.ended(early)
                let path = world.daemon.stateDirectory + "/pollux.sqlite"
                if how == "deleted" {
                    for suffix in ["", "-wal", "-shm"] { try FileManager.default.removeItem(atPath: path + suffix) }
                } else {
                    try FileManager.default.copyItem(atPath: path, toPath: path + ".copy")
                    #expect(rename(path + ".copy", path) == 0)
                }
                let document = world.daemon.submission("flux/images", ["prompt": "late"])
                let refused = try await world.daemon.ask("POST", "/v1/tasks", json: document)
                #expect(refused.status == 503, "\(refused.text)")
                #expect(try refused.json.at("code").string == "storage_replaced")
                #expect(try await world.daemon.ask("GET", "/readyz").status == 503)
                #expect(try await world.daemon.ask("GET", "/healthz").status == 200)
                // Its open files are still readable.
                #expect(try await world.daemon.task(early).at("state").string == "succeeded")
                try await world.daemon.process.logged("CRITICAL The database")
                #expect(try await world.sandbox.ledger().billed == 1)
                #expect(try await world.daemon.stop() == .code(0))
                guard how == "deleted" else { return }
                let start = try await world.pollux(["serve"])
                #expect(start.exit == .code(69), "\(start.errors)")
                #expect(start.errors.contains("--new-database"), "\(start.errors)")
                #expect(!FileManager.default.fileExists(atPath: path))
                let process = try ChildProcess(["serve", "--new-database"], environment: world.daemon.environment)
                try await process.logged("listens on")
                #expect(try await world.daemon.ask("GET", "/v1/tasks").json.at("tasks").array?.isEmpty == true)
                process.send(SIGTERM)
                #expect(try await process.exit() == .code(0))
                // After that it is an ordinary database.
                try await world.daemon.start()
            }
        }

        @Test func `a deleted lock file does not allow a second daemon`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                try FileManager.default.removeItem(atPath: world.daemon.stateDirectory + "/pollux.lock")
                let second = try await world.pollux(
                    ["serve"], environment: ["POLLUX_SOCKET": world.directory + "/other.sock"])
                #expect(second.exit == .code(69), "\(second.errors)")
                #expect(second.errors.contains("pid \(world.daemon.process.pid)"), "\(second.errors)")
                #expect(second.errors.contains("already serves the state directory"), "\(second.errors)")
            }
        }

        // MARK: Large databases

        /// Submits tasks of about a megabyte each that stay queued.
        private func fill(_ world: World, megabytes: Int) async throws {
            let text = JSONValue.string(String(repeating: "x", count: 1_000_000))
            for _ in 0..<megabytes {
                _ = try await world.daemon.submit(
                    "flux/images", ["prompt": text], with: ["not_before": "2099-01-01T00:00:00Z"])
            }
        }

        @Test func `a backup beside a newer write-ahead log does not start`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                try await fill(world, megabytes: 36)
                #expect(try await world.daemon.stop() == .code(0))
                let path = world.daemon.stateDirectory + "/pollux.sqlite"
                try FileManager.default.copyItem(atPath: path, toPath: world.directory + "/backup")
                try await world.daemon.start()
                try await fill(world, megabytes: 9)
                try await world.daemon.kill9()
                try FileManager.default.removeItem(atPath: path)
                try FileManager.default.copyItem(atPath: world.directory + "/backup", toPath: path)
                let start = try await world.pollux(["serve"])
                #expect(start.exit == .code(69), "\(start.errors)")
                #expect(start.errors.contains("belongs to another state of the database"), "\(start.errors)")
                #expect(
                    try Data(contentsOf: URL(filePath: path))
                        == Data(contentsOf: URL(filePath: world.directory + "/backup")))
            }
        }

        @Test func `a large database with a damaged page sends nothing, and the daemon ends with an explanation`()
            async throws
        {
            try await withWorld { world in
                try await world.daemon.start()
                try await fill(world, megabytes: 36)
                #expect(try await world.daemon.stop() == .code(0))
                // A page inside a long text, so that its chain of pages is cut there.
                let path = world.daemon.stateDirectory + "/pollux.sqlite"
                let file = try FileHandle(forUpdating: URL(filePath: path))
                try file.seek(toOffset: 4_000 * 4_096)
                try file.write(contentsOf: Data(repeating: 0xff, count: 4_096))
                try file.close()
                try world.daemon.launch()
                #expect(try await world.daemon.process.exit() == .code(69))
                #expect(world.daemon.log.contains("The database is damaged"), "\(world.daemon.log)")
            }
        }
    }
}
