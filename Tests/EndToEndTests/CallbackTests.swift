import Foundation
import Glibc
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Callbacks through a real listener from a faulty provider.
    @Suite struct CallbackTests {
        /// Settings with callbacks enabled, on a port that was free a moment ago.
        private static func environment(tls: Bool = false, publicURL: String? = nil) throws -> [String: String] {
            let port = try freePort()
            var environment = [
                "POLLUX_CALLBACKS_LISTEN": "127.0.0.1:\(port)",
                "POLLUX_CALLBACKS_PUBLIC_URL": publicURL ?? "\(tls ? "https" : "http")://127.0.0.1:\(port)",
            ]
            if tls {
                let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                    .appending(path: "CallbackAPITests/Fixtures")
                environment["POLLUX_CALLBACKS_CERTIFICATE_FILE"] = folder.appending(path: "certificate.pem").path
                environment["POLLUX_CALLBACKS_KEY_FILE"] = folder.appending(path: "key.pem").path
            }
            return environment
        }

        private static let endpoints = [
            "midjourney/imagine", "suno/audios", "veo/videos", "sora/videos", "kling/videos", "luma/videos",
            "flux/images",
        ]

        @Test func `with any callbacks, each task is paid once and ends as the provider's record`()
            async throws
        {
            let faults = """
                lost-reply=0.15,reset-reply=0.1,callback-missing=0.15,callback-late=0.15:2s,callback-twice=0.2,\
                callback-early=0.2,callback-progress=0.2,callback-lie=0.2,callback-contradiction=0.2,callback-garbled=0.1
                """
            try await withWorld(faults: faults, environment: try Self.environment()) { world in
                try await world.daemon.start()
                var ids: [String: Bool] = [:]
                for number in 0..<70 {
                    let fails = number % 5 == 0
                    let prompt = "\(number) [seconds=\(20 + number % 7 * 20)]\(fails ? " [fail]" : "")"
                    let task = try await world.daemon.submit(
                        Self.endpoints[number % Self.endpoints.count], ["prompt": .string(prompt)])
                    ids[task.at("id").string ?? ""] = !fails
                }
                for (id, succeeds) in ids {
                    let task = try await world.daemon.ended(id)
                    #expect(task.at("state").string == (succeeds ? "succeeded" : "failed"), "\(task.text)")
                    #expect(task.at("outcome_source").string == "poll")
                }
                let ledger = try await world.sandbox.ledger()
                #expect(ledger.billed == 70)
                #expect(ledger.mostPerRequest == 1)
                let status = try await world.daemon.ask("GET", "/v1/status").json
                #expect(status.at("callbacks", "deliveries").integer ?? 0 > 50)
                #expect(status.at("callbacks", "unknown_tokens").integer == 0)
            }
        }

        @Test(arguments: [false, true])
        func `a callback resolves a lost reply when no list shows the task`(tls: Bool) async throws {
            try await withWorld(
                faults: "lost-reply=1,late-record=1:10s", sandboxFlags: ["--callback-insecure"],
                environment: try Self.environment(tls: tls)
            ) { world in
                try await world.daemon.start()
                let task = try await world.daemon.submit("flux/images", ["prompt": "[seconds=6] a cat"])
                let ended = try await world.daemon.ended(task.at("id").string ?? "")
                #expect(ended.at("state").string == "succeeded")
                #expect(ended.at("resolution").string == "called_back")
                #expect(ended.at("callback", "receiver").string == "pollux")
                #expect(try await world.sandbox.ledger().billed == 1)
            }
        }

        @Test func `a callback supplies the outcome of a forgotten task`() async throws {
            try await withWorld(faults: "callback-forget=1", environment: try Self.environment()) { world in
                // No poll happens before the callback.
                try await world.daemon.start(["POLLUX_POLLING_MIN_GAP_SECONDS": "0.4"])
                let task = try await world.daemon.submit("kling/videos", ["prompt": "[seconds=3] a boat"])
                let id = task.at("id").string ?? ""
                // A record may be up to half a minute late.
                let ended = try await world.daemon.ended(id)
                #expect(ended.at("state").string == "succeeded")
                // A poll may come first, but usually the callback does.
                if ended.at("outcome_source").string == "callback" {
                    #expect(try await world.daemon.kinds(of: id).last == "ended_by_callback")
                }
                #expect(!(ended.at("results").array ?? []).isEmpty)
            }
        }

        @Test func `a callback missed during downtime is replaced by a poll`() async throws {
            try await withWorld(environment: try Self.environment()) { world in
                try await world.daemon.start()
                // The task ends 15 seconds later, long after the daemon was killed.
                let task = try await world.daemon.submit("kling/videos", ["prompt": "[seconds=900] a boat"])
                let id = task.at("id").string ?? ""
                _ = try await world.daemon.process.logged("submission accepted")
                try await world.daemon.kill9()
                // Its callback was sent, but not received.
                while try await world.sandbox.callbacks().isEmpty {}
                #expect(try await world.sandbox.callbacks() == [nil])
                try await world.daemon.start()
                #expect(try await world.daemon.ended(id).at("state").string == "succeeded")
            }
        }

        @Test func `an unreachable public URL causes a warning`() async throws {
            try await withWorld(environment: try Self.environment(publicURL: "http://127.0.0.1:9")) { world in
                try await world.daemon.start()
                for number in 0..<11 {
                    let task = try await world.daemon.submit(
                        "flux/images", ["prompt": .string("\(number) [seconds=3]")])
                    _ = try await world.daemon.ended(task.at("id").string ?? "")
                }
                try await world.daemon.process.logged("Is callbacks.public_url right")
                let status = try await world.daemon.ask("GET", "/v1/status").json
                #expect(status.at("callbacks", "problem").string != nil)
                let (_, output, _) = try await world.pollux(["endpoints", "flux/images"])
                #expect(output.contains("0 of "))
            }
        }

        @Test func `an address in use prevents the start and is explained`() async throws {
            let listener = try Occupied()
            try await withWorld(environment: [
                "POLLUX_CALLBACKS_LISTEN": "127.0.0.1:\(listener.port)", "POLLUX_CALLBACKS_PUBLIC_URL": "http://x",
            ]) { world in
                let process = try world.daemon.launch()
                #expect(try await process.exit() != .code(0))
                #expect(process.errorText.contains("callbacks.listen is 127.0.0.1:\(listener.port)"))
            }
        }
    }
}

/// A port of this machine that is currently free.
func freePort() throws -> Int { try Occupied().port }

/// A port that stays in use while this object exists.
private final class Occupied {
    let port: Int
    private let descriptor: Int32

    init() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.descriptor = descriptor
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && listen(descriptor, 1) == 0 && getsockname(descriptor, $0, &size) == 0
            }
        }
        port = Int(in_port_t(bigEndian: address.sin_port))
        guard isBound else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    }

    deinit { close(descriptor) }
}
