import Foundation
import Glibc
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Tests backups of a running daemon.
    @Suite struct BackupTests {
        /// Creates a directory for backups.
        private func target(in world: World) throws -> String {
            let path = world.directory + "/backups"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            return path
        }

        private func files(in directory: String) throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
        }

        @Test func `a backup under load opens elsewhere and has every task that was answered before it`()
            async throws
        {
            try await withWorld { world in
                try await world.daemon.start()
                let target = try target(in: world)
                let answered = Watched<[String]>([])
                let clients = (0..<4).map { client in
                    Task {
                        var number = 0
                        while !Task.isCancelled {
                            let id =
                                try await world.daemon.submit(
                                    "flux/images", ["prompt": .string("\(client).\(number) [seconds=5]")]
                                ).at("id").string ?? ""
                            answered.change { $0.append(id) }
                            number += 1
                        }
                    }
                }
                try await answered.wait(for: "30 answers", within: Double(patience)) { $0.count >= 30 ? true : nil }
                let before = answered.current
                let backup = try await world.pollux(["backup", target])
                #expect(backup.exit == .code(0), "\(backup.errors)")
                for client in clients { client.cancel() }
                for client in clients { _ = await client.result }
                let path = backup.output.trimmingCharacters(in: .newlines)
                #expect(try files(in: target).map { target + "/" + $0 } == [path])

                // Another machine: only the file, and no token, so that nothing is sent.
                let other = RunningDaemon(
                    directory: world.directory + "/other",
                    environment: ["XHUOAPI_BASE_URL": world.sandbox.baseURL])
                try FileManager.default.createDirectory(
                    atPath: other.stateDirectory, withIntermediateDirectories: true,
                    attributes: [.posixPermissions: 0o700])
                try FileManager.default.copyItem(atPath: path, toPath: other.stateDirectory + "/pollux.sqlite")
                do {
                    try await other.start()
                    for id in before {
                        let task = try await other.task(id)
                        #expect(task.at("id").string == id)
                        #expect(task.at("request") == (try await world.daemon.task(id).at("request")))
                    }
                } catch {
                    Issue.record("\(error)\n\(other.log)")
                }
                await other.destroy()
            }
        }

        @Test func `a kill during a backup leaves only a temporary file, which the next backup removes`() async throws {
            let tools = try temporaryDirectory()
            defer { try? FileManager.default.removeItem(atPath: tools) }
            // Ends the process like a power failure before the temporary file is on disk.
            let source = """
                #define _GNU_SOURCE
                #include <signal.h>
                #include <stdio.h>
                #include <string.h>
                #include <sys/syscall.h>
                #include <unistd.h>

                int fsync(int file) {
                    char link[64], path[512] = "";
                    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
                    if (readlink(link, path, sizeof path - 1) > 0 && strstr(path, "/.pollux-backup-")
                        && !access("\(tools)/kill", F_OK)) kill(getpid(), SIGKILL);
                    return syscall(SYS_fsync, file);
                }
                """
            try source.write(toFile: tools + "/disk.c", atomically: true, encoding: .utf8)
            let compiler = Process()
            compiler.executableURL = URL(filePath: "/usr/bin/gcc")
            compiler.arguments = ["-shared", "-fPIC", "-o", tools + "/disk.so", tools + "/disk.c"]
            try compiler.run()
            compiler.waitUntilExit()
            #expect(compiler.terminationStatus == 0)
            try await withWorld(environment: ["LD_PRELOAD": tools + "/disk.so"]) { world in
                try await world.daemon.start()
                let target = try target(in: world)
                let id = try await world.daemon.submit("flux/images", ["prompt": "x [seconds=5]"]).at("id").string ?? ""
                try Data().write(to: URL(filePath: tools + "/kill"))
                let killed = try await world.pollux(["backup", target])
                #expect(killed.exit == .code(69), "\(killed.errors)")
                #expect(try await world.daemon.process.exit() == .signal(SIGKILL))
                let left = try files(in: target)
                #expect(!left.isEmpty && left.allSatisfy { $0.hasPrefix(".pollux-backup-") }, "\(left)")
                unlink(tools + "/kill")
                try await world.daemon.start()
                let backup = try await world.pollux(["backup", target, "--json"])
                #expect(backup.exit == .code(0), "\(backup.errors)")
                let path = try JSONValue(parsing: backup.output.trimmingCharacters(in: .newlines)).at("path").string
                #expect(try files(in: target).map { target + "/" + $0 } == [path])
                #expect(try await world.daemon.ended(id).at("state").string == "succeeded")
                #expect(try await world.sandbox.ledger().billed == 1)
            }
        }

        @Test func `a failed backup reports the reason and what to do`() async throws {
            try await withWorld { world in
                try await world.daemon.start()
                let missing = try await world.pollux(["backup", "nowhere"])
                #expect(missing.exit == .code(65))
                // A relative path counts from the directory of the command.
                let place = FileManager.default.currentDirectoryPath + "/nowhere"
                #expect(missing.errors.contains("\(place): No such file or directory"), "\(missing.errors)")
                #expect(missing.errors.contains("Name a directory that exists"))
                let noArgument = try await world.pollux(["backup"])
                #expect(noArgument.exit == .code(64))
            }
        }
    }
}
