import Foundation
import Testing
import VerbatimJSON

extension EndToEnd {
    /// The dashboard of a real daemon, with a browser's requests and those of hostile pages.
    @Suite struct DashboardTests {
        private static let environment = [
            "POLLUX_ARTEFACTS_CAPTURE": "results", "POLLUX_ARTEFACTS_KEEP_FREE": "1MiB",
            "POLLUX_DASHBOARD_LISTEN": "127.0.0.1:0",
        ]

        /// A browser at the dashboard, perhaps with a session.
        private struct Browser {
            let port: Int
            var token: String?

            /// Makes a request. `Host` and, unless it only reads, `Sec-Fetch-Site` are those of the page itself.
            func ask(
                _ method: String, _ target: String, _ body: String = "", headers: [String: String] = [:]
            ) async throws -> Reply {
                var all = ["Host": "127.0.0.1:\(port)", "Connection": "close"]
                if !["GET", "HEAD"].contains(method) { all["Sec-Fetch-Site"] = "same-origin" }
                if let token { all["Authorization"] = "Bearer \(token)" }
                if !body.isEmpty { all["Content-Length"] = String(body.utf8.count) }
                all.merge(headers) { $1 }
                let head = all.filter { !$0.value.isEmpty }.map { "\($0.key): \($0.value)\r\n" }.joined()
                let (port, text) = (port, "\(method) \(target) HTTP/1.1\r\n\(head)\r\n\(body)")
                return try await onThread {
                    let connection = try Connection(port: port)
                    try connection.write(text)
                    return try connection.reply()
                }
            }
        }

        /// What `pollux open` prints: the port and the code.
        private func open(_ world: World, _ arguments: [String] = []) async throws -> (port: Int, code: String) {
            let run = try await world.pollux(["open"] + arguments)
            let address = try #require(
                run.output.wholeMatch(of: /http:\/\/127\.0\.0\.1:(\d+)\/#login=([A-Za-z0-9_-]{43})\n/), "\(run.output)")
            return (try #require(Int(address.1)), String(address.2))
        }

        /// A browser that was let in.
        private func browser(_ world: World, _ arguments: [String] = []) async throws -> Browser {
            let (port, code) = try await open(world, arguments)
            var browser = Browser(port: port)
            let reply = try await browser.ask("POST", "/dashboard/session", #"{"code":"\#(code)"}"#)
            #expect(reply.status == 200, "\(reply.text)")
            browser.token = try reply.json.at("token").string
            return browser
        }

        /// The task once the file of its first result is saved.
        private func saved(_ id: String, _ browser: Browser) async throws -> JSONValue {
            for _ in 1...600 {
                let task = try await browser.ask("GET", "/v1/tasks/\(id)?wait_seconds=10").json
                if task.at("results").array?.first?.at("artefact", "state").string == "saved" { return task }
                try await Task.sleep(for: .milliseconds(100))
            }
            Issue.record("The result of \(id) was not saved")
            return .null
        }

        @Test func `a browser submits, watches, and shows the file in parts`() async throws {
            try await withWorld(environment: Self.environment) { world in
                try await world.daemon.start()
                let browser = try await browser(world)
                let page = try await browser.ask("GET", "/")
                #expect(page.status == 200)
                #expect(page.headers["content-security-policy"]?.contains("frame-ancestors 'none'") == true)
                let submitted = try await browser.ask(
                    "POST", "/v1/tasks", #"{"endpoint":"flux/images","request":{"prompt":"a fox [seconds=1]"}}"#)
                #expect(submitted.status == 201, "\(submitted.text)")
                let id = try submitted.json.at("id").string ?? ""
                let task = try await saved(id, browser)
                #expect(task.at("state").string == "succeeded")
                let events = try await browser.ask("GET", "/v1/tasks/\(id)/events").json.at("events").array ?? []
                #expect(events.first?.at("detail", "by").string == "dashboard")
                #expect(events.dropFirst().allSatisfy { $0.at("detail", "by") == .null })
                let links = try await browser.ask(
                    "POST", "/dashboard/media", #"{"results":[{"task":"\#(id)","index":0}]}"#)
                let link = try #require(try links.json.at("urls").array?.first?.string)
                // An element of the page sends no token.
                let element = Browser(port: browser.port)
                let whole = try await element.ask("GET", link)
                #expect(whole.status == 200 && whole.body.starts(with: [0x89, 0x50, 0x4E, 0x47]))
                #expect(whole.body.count == task.at("results").array?.first?.at("artefact", "size_bytes").integer)
                let part = try await element.ask("GET", link, headers: ["Range": "bytes=1-3"])
                #expect(part.status == 206 && part.body == Array(whole.body[1...3]))
                let tampered = try await element.ask("GET", link.replacing("expires=", with: "expires=1"))
                #expect(tampered.status == 403)
                #expect(!world.daemon.log.contains(browser.token ?? "?"))
            }
        }

        @Test func `a code works once, and a session ends with the daemon`() async throws {
            try await withWorld(environment: Self.environment) { world in
                try await world.daemon.start()
                let (port, code) = try await open(world)
                let browser = Browser(port: port)
                let body = #"{"code":"\#(code)"}"#
                let token = try await browser.ask("POST", "/dashboard/session", body).json.at("token").string
                #expect(try await browser.ask("POST", "/dashboard/session", body).status == 401)
                #expect(try await Browser(port: port, token: token).ask("GET", "/v1/status").status == 200)
                try await world.daemon.kill9()
                try await world.daemon.start()
                let after = try await open(world).port
                let reply = try await Browser(port: after, token: token).ask("GET", "/v1/status")
                #expect(try reply.status == 401 && reply.json.at("code").string == "session_ended")
                let limited = try await self.browser(world, ["--read-only"])
                #expect(try await limited.ask("GET", "/v1/tasks").status == 200)
                let refused = try await limited.ask(
                    "POST", "/v1/tasks", #"{"endpoint":"flux/images","request":{"prompt":"x"}}"#)
                #expect(try refused.status == 403 && refused.json.at("code").string == "read_only_session")
                #expect(try await world.sandbox.ledger().billed == 0)
            }
        }

        @Test func `a hostile page can neither read nor act`() async throws {
            try await withWorld(environment: Self.environment) { world in
                try await world.daemon.start()
                let browser = try await browser(world)
                let submission = #"{"endpoint":"flux/images","request":{"prompt":"x"}}"#
                // Its name leads to this machine, so for the browser it has the same origin.
                let rebinding = [
                    "Host": "evil.example:\(browser.port)", "Origin": "http://evil.example:\(browser.port)",
                ]
                for target in ["/", "/v1/status", "/assets/index.html", "/dashboard/media/x/0"] {
                    let reply = try await browser.ask("GET", target, headers: rebinding)
                    #expect(reply.status == 403 && reply.text.contains("evil.example"), "\(target) \(reply.text)")
                }
                #expect(try await browser.ask("POST", "/v1/tasks", submission, headers: rebinding).status == 403)
                // Its form or its script sends to our address.
                for headers in [
                    ["Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"],
                    ["Sec-Fetch-Site": "same-site", "Origin": "http://localhost:1"],
                    ["Sec-Fetch-Site": "", "Origin": "http://evil.example"], ["Sec-Fetch-Site": "", "Origin": "null"],
                    ["Sec-Fetch-Site": ""],
                ] {
                    for method in ["POST", "OPTIONS"] {
                        let reply = try await browser.ask(method, "/v1/tasks", submission, headers: headers)
                        #expect(try reply.status == 403 && reply.json.at("code").string == "request_refused")
                        #expect(!reply.headers.keys.contains { $0.hasPrefix("access-control") })
                    }
                }
                #expect(try await browser.ask("GET", "/v1/tasks").json.at("tasks").array?.isEmpty == true)
                // The socket itself takes no login from a browser that reaches it through the dashboard.
                #expect(try await browser.ask("POST", "/v1/dashboard/logins", "{}").status == 403)
            }
        }

        @Test func `without an address the dashboard begins with pollux open`() async throws {
            var environment = Self.environment
            environment["POLLUX_DASHBOARD_LISTEN"] = nil
            try await withWorld(environment: environment) { world in
                try await world.daemon.start()
                #expect(!world.daemon.log.contains("The dashboard"))
                let first = try await browser(world)
                let second = try await browser(world)
                #expect(first.port == second.port)
                #expect(try await first.ask("GET", "/v1/status").status == 200)
                #expect(world.daemon.log.contains("The dashboard is shown at http://127.0.0.1:\(first.port)."))
                // Streams of browsers end with the daemon, which then ends in time.
                let text =
                    "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(second.token ?? "")\r\n\r\n"
                let stream = try await onThread {
                    let connection = try Connection(port: second.port)
                    try connection.write(text)
                    #expect(try connection.head().status == 200)
                    return connection
                }
                #expect(try await world.daemon.stop() == .code(0))
                _ = try await onThread { try stream.rest() }
            }
        }
    }
}
