import Foundation
import Glibc
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Tests a log that is not read.
    @Suite struct UnreadLogTests {
        /// An unread named pipe with the smallest possible buffer.
        private final class UnreadPipe: Sendable {
            let path: String
            private let descriptor: Int32

            init(path: String) throws {
                self.path = path
                guard mkfifo(path, 0o600) == 0 else { throw POSIXError(.EEXIST) }
                descriptor = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC)
                // F_SETPIPE_SZ
                guard descriptor >= 0, fcntl(descriptor, 1031, 4_096) >= 4_096 else { throw POSIXError(.EIO) }
            }

            deinit { close(descriptor) }

            /// The number of unread bytes.
            var waiting: Int {
                var count: Int32 = 0
                return ioctl(descriptor, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
            }
        }

        @Test func `submissions, health checks and shutdown do not wait for a log reader`() async throws {
            try await withWorld { world in
                let pipe = try UnreadPipe(path: world.directory + "/log")
                let process = try ChildProcess(
                    ["-c", "exec \"$0\" serve --log-level trace 2> \"$1\"", ChildProcess.pollux, pipe.path],
                    of: "/bin/sh",
                    environment: world.daemon.environment)
                let submission = world.daemon.submission("flux/images", ["prompt": "x [seconds=10]"])
                var ids: [String] = []
                do {
                    while try await world.pollux(["status"]).exit != .code(0) { try #require(!process.hasEnded) }
                    for _ in 0..<100 {
                        let reply = try await world.daemon.ask("POST", "/v1/tasks", json: submission)
                        #expect(reply.status == 201)
                        ids.append(try reply.json.at("id").string ?? "")
                    }
                    for id in ids {
                        let ended = try await world.daemon.ask("GET", "/v1/tasks/\(id)?wait_seconds=30", seconds: 40)
                        #expect(try ended.json.at("state").string == "succeeded")
                    }
                    #expect(try await world.daemon.ask("GET", "/healthz").status == 200)
                    #expect(pipe.waiting > 3_000)
                    process.send(SIGTERM)
                    #expect(try await process.exit() == .code(0))
                } catch {
                    await process.destroy()
                    throw error
                }
                #expect(try await world.sandbox.ledger().billed == ids.count)
            }
        }

        @Test func `a daemon that cannot start ends although its log is not read`() async throws {
            try await withWorld { world in
                let pipe = try UnreadPipe(path: world.directory + "/log")
                // The pipe is full before the start.
                let process = try ChildProcess(
                    [
                        "-c", "head -c 4096 /dev/zero > \"$1\"; exec \"$0\" serve 2> \"$1\"", ChildProcess.pollux,
                        pipe.path,
                    ],
                    of: "/bin/sh", environment: world.daemon.environment.merging(["POLLUX_LOG_LEVEL": "loud"]) { $1 })
                do {
                    #expect(try await process.exit(within: Double(patience)) == .code(64))
                } catch {
                    await process.destroy()
                    throw error
                }
            }
        }
    }
}
