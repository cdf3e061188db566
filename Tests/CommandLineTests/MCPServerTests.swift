import Glibc
import LocalAPIClient
import LocalAPIContract
import Synchronization
import Testing
import VerbatimJSON

@testable import pollux

@Suite(.timeLimit(.minutes(5))) struct MCPServerTests {
    /// What the server has written, as documents.
    private final class Written: Sendable {
        private let lines = Mutex<[JSONValue]>([])

        var all: [JSONValue] { lines.withLock { $0 } }

        func take(_ text: String) -> Bool {
            guard text.hasSuffix("\n"), let json = try? JSONValue(parsing: text) else { return false }
            lines.withLock { $0.append(json) }
            return true
        }

        /// The reply to the request with that id.
        func reply(to id: JSONValue) -> JSONValue? { all.first { $0["id"] == id && $0["method"] == nil } }

        /// Waits until a line fits.
        func until(_ fits: @Sendable (JSONValue) -> Bool) async throws {
            while !all.contains(where: fits) { try await Task.sleep(for: .milliseconds(5)) }
        }
    }

    /// Runs a server on these lines. The body writes further ones; then the input ends.
    private func serve(
        _ lines: [String], socketPath: String = "/tmp/pollux-no-such.sock", allowing allowed: [String] = [],
        budget: String? = nil, progressGap: Duration = .seconds(60),
        _ body: @escaping @Sendable (Written, (String) -> Void) async throws -> Void = { _, _ in }
    ) async throws -> Written {
        let written = Written()
        var ends: [CInt] = [0, 0]
        try #require(pipe(&ends) == 0)
        let (input, output) = (ends[0], ends[1])
        defer { close(input) }
        @Sendable func send(_ line: String) {
            let bytes = Array((line + "\n").utf8)
            _ = bytes.withUnsafeBytes { write(output, $0.baseAddress, $0.count) }
        }
        try await LocalAPIClient.with(socketPath: socketPath) { client in
            var tools = MCPTools(
                client: client, settings: MCPSettings(labels: ["agent": "a b"], allowed: allowed, budget: budget))
            tools.grace = .milliseconds(50)
            let server = MCPServer(tools: tools, output: MCPOutput(sink: written.take), progressGap: progressGap)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await server.run(BoundedLineReader(descriptor: input, maxBytes: 100_000)) }
                lines.forEach(send)
                do { try await body(written, send) } catch {
                    close(output)
                    throw error
                }
                close(output)
                try await group.waitForAll()
            }
        }
        return written
    }

    private func request(_ id: Int, _ method: String, _ params: String = "{}") -> String {
        #"{"jsonrpc":"2.0","id":\#(id),"method":"\#(method)","params":\#(params)}"#
    }

    private func call(_ id: Int, _ tool: String, _ arguments: String, meta: String = "{}") -> String {
        request(id, "tools/call", #"{"name":"\#(tool)","arguments":\#(arguments),"_meta":\#(meta)}"#)
    }

    private static func reply(_ status: String, _ body: String) -> String {
        "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)"
    }

    private static func task(_ state: String, more: String = "") -> String {
        #"{"id":"t","endpoint":"flux/images","state":"\#(state)","created_at":"2026-11-23T14:00:00.000Z","labels":{"agent":"a b"}\#(more)}"#
    }

    // MARK: The protocol

    @Test func `both eras are served side by side, and what is unknown has an error`() async throws {
        let meta =
            #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#
        let written = try await serve([
            request(1, "server/discover", "{\(meta)}"), request(2, "initialize", #"{"protocolVersion":"2025-06-18"}"#),
            #"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, request(3, "ping"),
            request(4, "ping", "{\(meta)}"),
            request(5, "server/discover"), request(6, "resources/list"), request(7, "tools/call", #"{"name":"pay"}"#),
            request(8, "tools/call", #"{"name":"get","arguments":[]}"#), request(9, "tools/call", #"{"name":3}"#),
            "not json", String(repeating: "x", count: 200_000), request(10, "tools/list", "{\(meta)}"),
            request(11, "initialize", "{\(meta)}"),
        ])
        #expect(written.reply(to: 1)?["result"]?["supportedVersions"]?.array?.first == "2026-07-28")
        #expect(written.reply(to: 1)?["result"]?["resultType"] == "complete")
        #expect(written.reply(to: 2)?["result"]?["protocolVersion"] == "2025-06-18")
        #expect(written.reply(to: 3)?["result"] == [:])
        for (id, code) in [
            (4, -32_601), (5, -32_601), (6, -32_601), (7, -32_602), (8, -32_602), (9, -32_602), (11, -32_601),
        ] {
            #expect(
                written.reply(to: .number(JSONNumber(id)))?["error"]?["code"] == .number(JSONNumber(code)),
                "request \(id)")
        }
        #expect(written.all.filter { $0["id"] == .null }.map { $0["error"]?["code"] } == [-32_700, -32_700])
        let tools = written.reply(to: 10)?["result"]?["tools"]?.array ?? []
        #expect(
            tools.map { $0["name"]?.string } == ["endpoints", "generate", "wait", "get", "list", "cancel", "spend"])
        for tool in tools {
            #expect(tool["outputSchema"]?["type"] == "object" && tool["inputSchema"]?["additionalProperties"] == false)
            let changes = ["generate", "cancel"].contains(tool["name"]?.string)
            #expect(tool["annotations"]?["readOnlyHint"] == .bool(!changes))
            #expect(tool["annotations"]?["destructiveHint"] == .bool(changes))
        }
    }

    // MARK: Calls

    @Test func `without a daemon a call names the command that starts one`() async throws {
        let written = try await serve([call(1, "get", #"{"id":"t"}"#)]) { written, _ in
            try await written.until { $0["id"] == 1 }
        }
        let result = written.reply(to: 1)?["result"]
        #expect(result?["isError"] == true)
        #expect(result?["content"]?.array?.first?["text"]?.string?.contains("pollux serve") == true)
    }

    @Test(arguments: [
        ("generate", #"{"endpoint":"a/b"}"#, "`request` is missing"),
        ("generate", #"{"endpoint":"a/b","request":{},"prompt":"x"}"#, "belong into `request`"),
        ("generate", #"{"endpoint":"a/b","request":[]}"#, "must be an object"),
        ("generate", #"{"endpoint":"x/y","request":{}}"#, "x/y is not allowed here"),
        ("generate", #"{"endpoint":"a/b","request":{},"wait_seconds":"soon"}"#, "number of seconds"),
        ("generate", #"{"endpoint":"a/b","request":{},"labels":{"x":[]}}"#, "must be a string"),
        ("wait", #"{"ids":[]}"#, "1 to 32 ids"), ("wait", #"{"ids":[1]}"#, "list of strings"),
        ("get", "{}", "`id` is missing"), ("get", #"{"id":{}}"#, "must be a string"),
    ])
    func `arguments of an unexpected type are an error that a model can read`(
        tool: String, arguments: String, words: String
    ) async throws {
        let written = try await serve([call(1, tool, arguments)], allowing: ["a/*"]) { written, _ in
            try await written.until { $0["id"] == 1 }
        }
        let result = written.reply(to: 1)?["result"]
        #expect(result?["isError"] == true)
        #expect(result?["content"]?.array?.first?["text"]?.string?.contains(words) == true, "\(result?.text ?? "")")
    }

    @Test func `a submission has the fixed labels and a key of its agent, and joins`() async throws {
        let daemon = try FakeDaemon(requests: 1) { _, _ in Self.reply("200 OK", Self.task("queued")) }
        let arguments =
            #"{"endpoint":"flux/images","request":"{\"prompt\":\"x\"}","key":"k 1","labels":{"agent":"other","film":3},"wait_seconds":0}"#
        let written = try await serve([call(1, "generate", arguments)], socketPath: daemon.path) { written, _ in
            try await written.until { $0["id"] == 1 }
        }
        let sent = try #require(try? JSONValue(parsing: daemon.requests[0].body))
        #expect(sent["request"] == ["prompt": "x"])
        #expect(sent["labels"] == ["agent": "a b", "film": "3"])
        #expect(sent["idempotency_key"] == "mcp/a%20b/k%201")
        #expect(sent["join"] == true)
        let result = written.reply(to: 1)?["result"]
        #expect(result?["structuredContent"]?["joined"] == true)
        #expect(result?["structuredContent"]?["request"] == nil)
        #expect(result?["isError"] == nil)
    }

    @Test(
        arguments: [
            (#""scope":{},"unpriced":"hold""#, nil),
            (#""scope":{"endpoint":"flux/*","label":"agent=a b"},"unpriced":"hold""#, nil),
            (#""scope":{"label":"agent"},"unpriced":"hold""#, nil),
            (#""scope":{},"unpriced":"allow""#, "`unpriced: hold`"),
            (#""scope":{"endpoint":"suno/*"},"unpriced":"hold""#, "only suno/*, not flux/images"),
            (#""scope":{"account":"second"},"unpriced":"hold""#, "one account only"),
            (#""scope":{"label":"agent=other"},"unpriced":"hold""#, "the label agent=other"),
            (#""scope":{"label":"film"},"unpriced":"hold""#, "the label film"),
            (#""name":"other","scope":{},"unpriced":"hold""#, "no such budget"),
        ] as [(String, String?)])
    func `only tasks that the budget of the server counts are submitted`(
        budget: String, problem: String?
    ) async throws {
        let amount = #"{"micros":1,"unit":"USD","amount":"0.000001"}"#
        let document =
            #"{"name":"music","per":"day","time_zone":"UTC","limit":\#(amount),"on_exceed":"hold","shares":[],\#(budget)}"#
        let daemon = try FakeDaemon(requests: problem == nil ? 2 : 1) { _, request in
            let isBudgets = request.head.hasPrefix("GET /v1/budgets")
            return Self.reply("200 OK", isBudgets ? #"{"budgets":[\#(document)]}"# : Self.task("queued"))
        }
        let arguments = #"{"endpoint":"flux/images","request":{},"labels":{"film":"x"},"wait_seconds":0}"#
        let written = try await serve(
            [call(1, "generate", arguments)], socketPath: daemon.path, budget: "music"
        ) { written, _ in try await written.until { $0["id"] == 1 } }
        let text = written.reply(to: 1)?["result"]?["content"]?.array?.first?["text"]?.string ?? ""
        #expect(daemon.requests.count { $0.head.hasPrefix("POST") } == (problem == nil ? 1 : 0), "\(text)")
        if let problem { #expect(text.contains(problem), "\(text)") }
    }

    @Test func `an end counts as collected once its reply is written`() async throws {
        let daemon = try FakeDaemon(requests: 2) { _, _ in Self.reply("200 OK", Self.task("failed")) }
        let written = try await serve([call(1, "get", #"{"id":"t"}"#)], socketPath: daemon.path) { written, _ in
            try await written.until { $0["id"] == 1 }
            while daemon.requests.count < 2 { try await Task.sleep(for: .milliseconds(5)) }
        }
        #expect(written.reply(to: 1)?["result"]?["structuredContent"]?["state"] == "failed")
        #expect(daemon.requests[1].head.hasPrefix("POST /v1/tasks/t/collect "))
    }

    @Test func `a cancelled call has no reply, and others go on`() async throws {
        let daemon = try FakeDaemon(requests: 40) { number, request in
            if request.head.contains("wait_seconds") { usleep(20_000) }
            return Self.reply("200 OK", Self.task(request.head.contains("/done") ? "cancelled" : "running"))
        }
        let written = try await serve(
            [call(1, "wait", #"{"ids":["t"],"seconds":45}"#)], socketPath: daemon.path
        ) { written, send in
            while !daemon.requests.contains(where: { $0.head.contains("wait_seconds") }) {
                try await Task.sleep(for: .milliseconds(5))
            }
            send(#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#)
            send(request(2, "ping"))
            try await written.until { $0["id"] == 2 }
        }
        #expect(written.reply(to: 1) == nil)
        #expect(!daemon.requests.contains { $0.head.contains("/collect") })
    }

    @Test func `a call with a token reports its progress`() async throws {
        let daemon = try FakeDaemon(requests: 400) { _, _ in
            Self.reply("200 OK", Self.task("running", more: #","progress":35"#))
        }
        let written = try await serve(
            [call(1, "wait", #"{"ids":["t"],"seconds":2}"#, meta: #"{"progressToken":"p"}"#)], socketPath: daemon.path,
            progressGap: .milliseconds(300)
        ) { written, _ in
            try await written.until { $0["id"] == 1 }
        }
        let reports = written.all.filter { $0["method"] == "notifications/progress" }
        #expect(reports.count >= 3)
        #expect(reports.allSatisfy { $0["params"]?["progressToken"] == "p" })
        #expect(reports.last?["params"]?["message"]?.string?.hasPrefix("running 35%") == true)
        #expect(written.all.last?["id"] == 1)
    }

    @Test func `control characters of a provider reach no terminal`() async throws {
        let more = #","error":{"code":"x","message":"\u001b[2J\u009bred\nline"}"#
        let daemon = try FakeDaemon(requests: 2) { _, _ in Self.reply("200 OK", Self.task("failed", more: more)) }
        let written = try await serve([call(1, "get", #"{"id":"t"}"#)], socketPath: daemon.path) { written, _ in
            try await written.until { $0["id"] == 1 }
        }
        let result = try #require(written.reply(to: 1)?["result"])
        #expect(result["structuredContent"]?["error"]?["message"] == " [2J red\nline")
        #expect(result["content"]?.array?.first?["text"] == "Task t (flux/images): failed: x:  [2J red line")
    }

    @Test func `spend shows what this agent has cost and what the budgets have left`() async throws {
        let amount = { (micros: Int, text: String) in #"{"micros":\#(micros),"unit":"USD","amount":"\#(text)"}"# }
        let row = { (key: String, text: String) in
            #"{"key":\#(key),"attempts":3,"unpriced":1,"spent":[\#(amount(40_000, text))],"reserved":[\#(amount(0, "0"))]}"#
        }
        let spend =
            #"{"by":"label.agent","rows":[\#(row(#""other""#, "9")),\#(row(#""a b""#, "0.04"))],"total":\#(row("null", "9.04"))}"#
        let share =
            #"{"value":null,"spent":\#(amount(0, "0")),"reserved":\#(amount(0, "0")),"left":\#(amount(1, "11.96"))}"#
        let budgets =
            #"{"budgets":[{"name":"daily","per":"day","limit":\#(amount(20_000_000, "20")),"shares":[\#(share)]}]}"#
        let daemon = try FakeDaemon(requests: 2) { number, _ in Self.reply("200 OK", number == 1 ? spend : budgets) }
        let written = try await serve([call(1, "spend", #"{"since":"ever"}"#)], socketPath: daemon.path) { written, _ in
            try await written.until { $0["id"] == 1 }
        }
        #expect(daemon.requests[0].head.hasPrefix("GET /v1/spend?by=label.agent "))
        let result = written.reply(to: 1)?["result"]
        #expect(
            result?["content"]?.array?.first?["text"]
                == "Spent: 0.04 USD. Reserved: nothing. Attempts: 3.\nThe cost of 1 of them is unknown.\nBudget daily: 11.96 USD of 20 left."
        )
        #expect(result?["structuredContent"]?["spend"]?["attempts"] == 3)
    }

    // MARK: Settings

    @Test func `an endpoint is allowed by its name or by the beginning of names`() {
        let settings = MCPSettings(labels: [:], allowed: ["flux/images", "suno/*"])
        #expect(settings.labels == ["agent": "mcp"])
        #expect(settings.allows("flux/images") && settings.allows("suno/audios"))
        #expect(!settings.allows("flux/images2") && !settings.allows("sun") && !settings.allows("FLUX/images"))
        #expect(MCPSettings(labels: [:], allowed: []).allows("veo/videos"))
    }

    @Test(arguments: MCPHost.allCases)
    func `the settings of a host start this program`(host: MCPHost) throws {
        let arguments = ["mcp", "--label", "agent=\"x\""]
        let text = host.settings(program: "/opt/a b/pollux", arguments: arguments)
        guard host != .codex else {
            #expect(
                text
                    == "[mcp_servers.pollux]\ncommand = \"/opt/a b/pollux\"\nargs = [\"mcp\",\"--label\",\"agent=\\\"x\\\"\"]"
            )
            return
        }
        let json = try JSONValue(parsing: text)
        let server = json[host == .vscode ? "servers" : "mcpServers"]?["pollux"]
        #expect(server?["command"] == "/opt/a b/pollux")
        #expect(server?["args"] == .array(arguments.map { .string($0) }))
    }
}
