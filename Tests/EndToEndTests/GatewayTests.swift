import Foundation
import Testing
import VerbatimJSON

extension EndToEnd {
    /// The gateway of a real daemon, and programs that do not know of it.
    @Suite struct GatewayTests {
        private static let listening = ["POLLUX_GATEWAY_LISTEN": "127.0.0.1:0"]

        /// The port that the daemon's latest process logged.
        private func port(of daemon: RunningDaemon) async throws -> Int {
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

        private static func request(_ path: String, _ body: String, token: String) -> String {
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
            let port = try await port(of: daemon)
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
                    "/xhuoapi/v1/midjourney/imagine", #"{"prompt":"a heron [seconds=120]"}"#, token: token)
                let port = try await port(of: world.daemon)
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
                #expect(try await world.pollux(["gateway", "env", "nothing"]).exit == .code(65))
            }
        }
    }
}
