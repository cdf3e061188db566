import HTTPTesting
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import Dashboard

@Suite(.timeLimit(.minutes(2))) struct SessionTests {
    private func begin(_ dashboard: DashboardHarness, _ code: String) async throws -> RawReply {
        try await dashboard.ask("POST", "/dashboard/session", #"{"code":"\#(code)"}"#)
    }

    @Test func `a code works once`() async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let code = dashboard.sessions.addCode(isReadOnly: false).code
            let reply = try await begin(dashboard, code)
            #expect(reply.status == 200)
            #expect(reply.headers["cache-control"] == "no-store")
            #expect(reply.json["read_only"] == false && reply.json["version"] == "1.2.3")
            let token = try #require(reply.json["token"]?.string)
            #expect(token.utf8.count == 43 && token != code)
            #expect(try await dashboard.ask("GET", "/v1/status", token: token).status == 200)
            let again = try await begin(dashboard, code)
            #expect(again.status == 401 && again.code == "code_not_valid")
            #expect(again.json["detail"]?.string?.contains("pollux open") == true)
        }
    }

    @Test func `a code works for a minute`() async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let (early, late) = (
                dashboard.sessions.addCode(isReadOnly: false), dashboard.sessions.addCode(isReadOnly: false)
            )
            #expect(early.expiresAt == dashboard.world.time.now() + .seconds(60))
            dashboard.world.time.advance(by: .milliseconds(59_999))
            let begun = try await begin(dashboard, early.code)
            #expect(begun.status == 200)
            // A clock that is set back gives no code more time.
            dashboard.world.time.setWallClock(by: .seconds(-3_600))
            dashboard.world.time.advance(by: .milliseconds(1))
            #expect(try await begin(dashboard, late.code).status == 401)
        }
    }

    @Test func `what is no code begins no session`() async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            _ = dashboard.sessions.addCode(isReadOnly: false)
            for code in ["", "x", String(repeating: "A", count: 43), "\\u0000"] {
                #expect(try await begin(dashboard, code).status == 401, "\(code)")
            }
            for (body, status) in [("{}", 401), ("[]", 401), (#"{"code":1}"#, 401), ("", 400), ("{", 400)] {
                #expect(try await dashboard.ask("POST", "/dashboard/session", body).status == status, "\(body)")
            }
            let long = #"{"code":"\#(String(repeating: "x", count: 70_000))"}"#
            #expect(try await dashboard.ask("POST", "/dashboard/session", long).status == 413)
        }
    }

    @Test func `a newer code takes the place of the oldest of too many`() async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let codes = (0...DashboardSessions.mostCodes).map { _ in dashboard.sessions.addCode(isReadOnly: false).code
            }
            #expect(try await begin(dashboard, codes[0]).status == 401)
            #expect(try await begin(dashboard, codes[1]).status == 200)
        }
    }

    @Test func `without the token of a session the local API shows nothing`() async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let token = try dashboard.token()
            let code = dashboard.sessions.addCode(isReadOnly: false).code
            for value in [
                nil, "Bearer", "Bearer ", "Bearer x", "Basic \(token)", token, "Bearer \(token)x", "Bearer \(code)",
                "Bearer \(token) \(token)",
            ] {
                for path in ["/v1/status", "/v1/tasks", "/v1/events", "/metrics", "/healthz", "/openapi.json", "/none"]
                {
                    let reply = try await dashboard.ask(
                        "GET", path, headers: value.map { ["Authorization: \($0)"] } ?? [])
                    #expect(reply.status == 401 && reply.code == "session_ended", "\(value ?? "none") \(path)")
                    #expect(reply.headers["www-authenticate"] == "Bearer")
                }
            }
            for path in ["/v1/status?token=\(token)", "/v1/status?access_token=\(token)"] {
                #expect(try await dashboard.ask("GET", path).status == 401)
            }
            #expect(try await dashboard.ask("POST", "/dashboard/media", "{}").status == 401)
            #expect(try await dashboard.ask("DELETE", "/dashboard/session").status == 401)
        }
    }

    @Test func `a session ends when its browser says so, or after half a day without a request`() async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            func status(_ token: String) async throws -> Int {
                try await dashboard.ask("GET", "/v1/status", token: token).status
            }
            let (first, second) = (try dashboard.token(), try dashboard.token())
            #expect(try await dashboard.ask("DELETE", "/dashboard/session", token: first).status == 204)
            #expect(try await status(first) == 401)
            dashboard.world.time.advance(by: .seconds(11 * 3_600))
            #expect(try await status(second) == 200)
            dashboard.world.time.advance(by: .seconds(11 * 3_600))
            #expect(try await status(second) == 200)
            dashboard.world.time.advance(by: .seconds(12 * 3_600))
            #expect(try await status(second) == 401)
        }
    }

    @Test func `the least recently used session gives way to one too many`() throws {
        let time = ManualTimeSource()
        let sessions = DashboardSessions(random: .init(SystemRandomNumberGenerator()), time: time)
        func token() throws -> String {
            try #require(sessions.begin(with: sessions.addCode(isReadOnly: false).code)).token
        }
        let (first, second) = (try token(), try token())
        for _ in 2..<DashboardSessions.mostSessions { _ = try token() }
        #expect(sessions.session(of: first) != nil)
        _ = try token()
        #expect(sessions.session(of: first) != nil)
        #expect(sessions.session(of: second) == nil)
    }

    @Test func `a session that can only look changes nothing`() async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let id = try await dashboard.world.submit()
            let code = dashboard.sessions.addCode(isReadOnly: true).code
            let begun = try await begin(dashboard, code)
            #expect(begun.json["read_only"] == true)
            let token = try #require(begun.json["token"]?.string)
            for path in ["/v1/tasks", "/v1/tasks/\(id.text)", "/v1/endpoints", "/v1/status"] {
                #expect(try await dashboard.ask("GET", path, token: token).status == 200, "\(path)")
                #expect(try await dashboard.ask("HEAD", path, token: token).status == 200, "\(path)")
            }
            for (method, path, body) in [
                ("POST", "/v1/tasks", #"{"endpoint":"image/make","request":{"prompt":"x"}}"#),
                ("POST", "/v1/tasks/\(id.text)/cancel", ""), ("POST", "/v1/endpoints/image/make/pause", ""),
                ("POST", "/v1/doctor", ""), ("PUT", "/v1/tasks", ""), ("DELETE", "/v1/tasks/\(id.text)", ""),
                ("POST", "/v1/dashboard/logins", "{}"),
            ] {
                let reply = try await dashboard.ask(method, path, body, token: token)
                #expect(reply.status == 403 && reply.code == "read_only_session", "\(method) \(path)")
            }
            let tasks = try await dashboard.world.sqlite.tasks(matching: TaskFilter(), after: nil, limit: 9).tasks
            #expect(tasks.map(\.task.state) == [.queued])
            #expect(
                try await dashboard.ask(
                    "POST", "/dashboard/media", #"{"results":[{"task":"\#(id.text)","index":0}]}"#, token: token
                )
                .status == 200)
            #expect(try await dashboard.ask("DELETE", "/dashboard/session", token: token).status == 204)
        }
    }

    @Test func `what outlasts a session is not for browsers`() async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let token = try dashboard.token()
            for (path, body) in [
                ("/v1/dashboard/logins", "{}"), ("/v1/gateway/tokens", #"{"name":"a"}"#),
                ("/v1/gateway/tokens/a/remove", ""), ("/v1/backup", #"{"directory":"/tmp"}"#),
                ("//v1//backup/", #"{"directory":"/tmp"}"#),
            ] {
                let reply = try await dashboard.ask("POST", path, body, token: token)
                #expect(reply.status == 403 && reply.code == "socket_only", "\(path) \(reply.text)")
            }
            #expect(dashboard.world.engine.gateway.tokens.all.isEmpty)
        }
    }

    @Test func `the stream of a session ends with it`() async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let token = try dashboard.token()
            try await RawClient.with(port: dashboard.port) { client in
                try await client.send(dashboard.request("GET", "/v1/events", token: token, closes: false))
                _ = try await client.read(until: "caught_up")
                try await dashboard.world.submit()
                _ = try await client.read(until: #""kind":"created""#)
                _ = try await dashboard.ask("DELETE", "/dashboard/session", token: token)
                let id = try await dashboard.world.submit()
                #expect(!(try await client.readToEnd()).contains(id.text))
            }
        }
    }
}
