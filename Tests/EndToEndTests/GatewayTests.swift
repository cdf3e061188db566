import Foundation
import Testing
import VerbatimJSON

extension EndToEnd {
    /// The gateway of a real daemon, and programs that do not know of it.
    @Suite struct GatewayTests {
        private static let listening = ["POLLUX_GATEWAY_LISTEN": "127.0.0.1:0"]

        /// The port that the daemon's latest process logged.
        static func port(of daemon: RunningDaemon) async throws -> Int {
            let words = "The gateway accepts requests at http://127.0.0.1:"
            try await daemon.process.logged(words)
            let text = daemon.process.errorText
            let rest = try #require(text.range(of: words)).upperBound
            return try #require(Int(text[rest...].prefix(while: \.isNumber)))
        }

        private func token(_ world: World) async throws -> String {
            try await world.pollux(["gateway", "token", "add", "notebook"]).output
                .trimmingCharacters(in: .whitespacesAndNewlines)
        }

        static func request(_ path: String, _ body: String, token: String) -> String {
            """
            POST \(path) HTTP/1.1\r
            Host: 127.0.0.1\r
            Authorization: Bearer \(token)\r
            Content-Type: application/json\r
            Content-Length: \(body.utf8.count)\r
            \r
            \(body)
            """
        }

        private func ask(_ text: String, of daemon: RunningDaemon) async throws -> Reply {
            let port = try await Self.port(of: daemon)
            return try await onThread {
                let connection = try Connection(port: port)
                try connection.write(text)
                return try connection.reply()
            }
        }

        @Test func `a request that is repeated after kill -9 gets the result of the first, which is paid once`()
            async throws
        {
            try await withWorld(environment: Self.listening) { world in
                try await world.daemon.start()
                let token = try await token(world)
                let text = Self.request(
                    "/xhuoapi/v1/midjourney/imagine", #"{"prompt":"a heron [seconds=480]"}"#, token: token)
                let port = try await Self.port(of: world.daemon)
                let first = try await onThread {
                    let connection = try Connection(port: port)
                    try connection.write(text)
                    return connection
                }
                try await world.daemon.process.logged("submission accepted")
                try await world.daemon.kill9()
                #expect(throws: Connection.Closed.self) { _ = try first.reply() }
                try await world.daemon.start()
                let reply = try await ask(text, of: world.daemon)
                #expect(reply.status == 200, "\(reply.text)")
                #expect(reply.headers["pollux-joined"] == "true")
                #expect(try reply.json.at("success") == true, "\(reply.text)")
                let id = try #require(reply.headers["pollux-task"])
                let task = try await world.daemon.task(id)
                #expect(task.at("state").string == "succeeded")
                #expect(task.at("labels", "program").string == "notebook")
                #expect(try await world.daemon.kinds(of: id).contains("joined"))
                #expect(try await world.sandbox.ledger().billed == 1)
                #expect(!world.daemon.log.contains(token))
            }
        }

        @Test func `many polls of a program cost the provider none`() async throws {
            try await withWorld(environment: Self.listening) { world in
                try await world.daemon.start()
                let token = try await token(world)
                let accepted = try await ask(
                    Self.request(
                        "/xhuoapi/suno/audios", #"{"prompt":"rain","async":true}"#, token: token), of: world.daemon)
                let id = try #require(try accepted.json.at("task_id").string)
                _ = try await world.daemon.ended(try #require(accepted.headers["pollux-task"]))
                let before = try await world.sandbox.statistics()
                for _ in 1...20 {
                    let reply = try await ask(
                        Self.request("/xhuoapi/suno/tasks", #"{"id":"\#(id)"}"#, token: token), of: world.daemon)
                    #expect(try reply.json.at("id").string == id)
                    #expect(try reply.json.at("response", "success") == true)
                }
                #expect(try await world.sandbox.statistics() == before)
            }
        }

        @Test
        func `the callback address of a program gets the outcome in the provider's form, and the provider does not`()
            async throws
        {
            try await withWorld(environment: Self.listening) { world in
                let receiver = try await NotificationTests.Receiver(world)
                try await world.daemon.start()
                let token = try await token(world)
                let accepted = try await ask(
                    Self.request(
                        "/xhuoapi/suno/audios", #"{"prompt":"rain","callback_url":"\#(receiver.url)"}"#, token: token),
                    of: world.daemon)
                let id = try #require(try accepted.json.at("task_id").string)
                try await receiver.took(1)
                let body = try #require(receiver.taken.first).at("body")
                #expect(body.at("task_id").string == id)
                #expect(body.at("success") == true)
                #expect(body.at("data").array?.first?.at("audio_url").string != nil)
                let ledger = try await world.sandbox.ledger()
                #expect(ledger.billed == 1)
                #expect(!ledger.json.text.contains("/hook"))
                #expect(receiver.taken.count == 1)
            }
        }

        @Test func `a program reaches the gateway at its socket`() async throws {
            try await withWorld(environment: Self.listening) { world in
                let path = world.directory + "/gateway.sock"
                try await world.daemon.start(["POLLUX_GATEWAY_SOCKET": path])
                try await world.daemon.process.logged("accepts requests at \(path)")
                let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
                #expect(mode == 0o600)
                let token = try await token(world)
                let text = Self.request("/xhuoapi/suno/audios", #"{"prompt":"rain","async":true}"#, token: token)
                let reply = try await onThread {
                    let connection = try Connection(socketPath: path)
                    try connection.write(text)
                    return try connection.reply()
                }
                #expect(reply.status == 200, "\(reply.text)")
                #expect(try reply.json.at("task_id").string != nil)
                let stranger = Self.request("/xhuoapi/suno/audios", "{}", token: "pollux_none")
                let refused = try await onThread {
                    let connection = try Connection(socketPath: path)
                    try connection.write(stranger)
                    return try connection.reply()
                }
                #expect(refused.status == 401)
            }
        }

        @Test func `the content of a saved result comes from the disk, whole and in parts`() async throws {
            var environment = Self.listening
            environment["POLLUX_ARTEFACTS_CAPTURE"] = "results"
            environment["POLLUX_ARTEFACTS_KEEP_FREE"] = "1MiB"
            environment["OPENAI_API_KEY"] = World.token
            try await withWorld(environment: environment) { world in
                let base = "http://127.0.0.1:\(world.sandbox.port)/openai"
                try await world.daemon.start(["POLLUX_PROVIDERS_OPENAI_BASE_URL": base])
                let token = try await token(world)
                let body = #"{"model":"sora-2","prompt":"a cat","seconds":"4"}"#
                let accepted = try await ask(
                    Self.request("/openai/v1/videos", body, token: token), of: world.daemon)
                let id = try #require(try accepted.json.at("id").string, "\(accepted.text)")
                let task = try #require(accepted.headers["pollux-task"])
                for _ in 1...600 where try await !world.daemon.kinds(of: task).contains("result_saved") {
                    try await Task.sleep(for: .milliseconds(100))
                }
                func content(_ fields: String = "") async throws -> Reply {
                    let text = """
                        GET /openai/v1/videos/\(id)/content HTTP/1.1\r
                        Host: 127.0.0.1\r
                        Authorization: Bearer \(token)\r
                        \(fields)\r

                        """
                    return try await ask(text, of: world.daemon)
                }
                let before = try await world.sandbox.statistics()
                let whole = try await content()
                #expect(whole.status == 200)
                #expect(whole.headers["content-type"] == "video/mp4")
                #expect(whole.headers["pollux-durable"] == "true")
                let size = try #require(whole.headers["content-length"].flatMap { Int($0) })
                let part = try await content("Range: bytes=0-9\r\n")
                #expect(part.status == 206)
                #expect(part.headers["content-range"] == "bytes 0-9/\(size)")
                #expect(try await world.sandbox.statistics() == before)
            }
        }

        @Test func `the command line shows how clients reach the gateway`() async throws {
            try await withWorld(environment: ["POLLUX_GATEWAY_LISTEN": "127.0.0.1:0"]) { world in
                try await world.daemon.start()
                let token = try await token(world)
                #expect(token.hasPrefix("pollux_"))
                let lines = try await world.pollux(["gateway", "env", "openai", "--token", token])
                #expect(lines.output.contains("export OPENAI_API_KEY=\(token)\n"))
                #expect(lines.output.contains("export OPENAI_BASE_URL=http://127.0.0.1:0/openai/v1\n"))
                #expect(!lines.output.contains("REPLICATE"))
                #expect(try await world.pollux(["gateway", "token"]).output.contains("notebook"))
                #expect(try await world.pollux(["gateway", "token", "remove", "notebook"]).exit == .code(0))
                #expect(try await world.pollux(["gateway", "token", "list"]).output.isEmpty)
                #expect(try await world.pollux(["gateway", "env", "nothing"]).exit == .code(66))
            }
        }
    }
}
