import Foundation
import Testing
import VerbatimJSON

extension EndToEnd {
    /// Tests a provider that repeats its token.
    @Suite struct SecretTests {
        private static let provider = """
            import http.server, json, urllib.parse
            class Handler(http.server.BaseHTTPRequestHandler):
                protocol_version = "HTTP/1.1"
                def do_POST(self):
                    self.rfile.read(int(self.headers["Content-Length"]))
                    token = self.headers["Authorization"]
                    error = {"code": "bad_request", "message": "bad auth: " + token, "seen": urllib.parse.quote(token)}
                    body = json.dumps({"success": False, "error": error}).encode()
                    self.send_response(400)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                def log_message(self, *_): pass
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            print(server.server_port, flush=True)
            server.serve_forever()
            """

        @Test func `a token in a provider's reply is not shown, logged or stored`() async throws {
            try await withWorld { world in
                let provider = try ChildProcess(
                    ["python3", "-c", Self.provider], of: "/usr/bin/env",
                    environment: ["PATH": "/usr/local/bin:/usr/bin:/bin"])
                do {
                    let port = try await provider.firstLine()
                    try await world.daemon.start(["XHUOAPI_BASE_URL": "http://127.0.0.1:\(port)"])
                    let id = try await world.daemon.submit("flux/images", ["prompt": "x"]).at("id").string ?? ""
                    let task = try await world.daemon.ended(id)
                    #expect(task.at("error", "message").string == "bad auth: Bearer (redacted)", "\(task.text)")
                    let events = try await world.daemon.ask("GET", "/v1/tasks/\(id)/events")
                    #expect(events.text.contains("(redacted)"))
                    for text in [task.text, events.text, world.daemon.log] { #expect(!text.contains(World.token)) }
                    #expect(try await world.daemon.stop() == .code(0))
                } catch {
                    await provider.destroy()
                    throw error
                }
                await provider.destroy()
                let files = try FileManager.default.contentsOfDirectory(atPath: world.daemon.stateDirectory)
                #expect(files.contains("pollux.sqlite"))
                for file in files {
                    let data = FileManager.default.contents(atPath: world.daemon.stateDirectory + "/" + file) ?? Data()
                    #expect(data.range(of: Data(World.token.utf8)) == nil, "\(file)")
                }
            }
        }

        @Test func `a password in a URL prevents the start and is not repeated`() async throws {
            try await withWorld { world in
                try world.daemon.launch(["XHUOAPI_BASE_URL": "http://bob:hunter2@127.0.0.1:1/v1"])
                #expect(try await world.daemon.process.exit() == .code(64))
                #expect(world.daemon.log.contains("XHUOAPI_BASE_URL"))
                #expect(!world.daemon.log.contains("hunter2"))
            }
        }
    }
}
