import HTTPTesting
import ProviderCatalog
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import Dashboard

@Suite(.timeLimit(.minutes(2))) struct RequestRulesTests {
    private static let paths = [
        "/", "/assets/index.html", "/assets/none", "/dashboard/session", "/dashboard/media/x/0", "/v1/status",
        "/v1/none", "/none",
    ]

    @Test(arguments: [
        "evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "", "a b", "2130706433",
        "0x7f.0.0.1", "127.1",
    ])
    func `a host that is not ours is refused on every path, even with a token`(host: String) async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let token = try dashboard.token()
            for path in Self.paths {
                let reply = try await dashboard.ask("GET", path, token: token, headers: ["Host: \(host)"])
                #expect([400, 403].contains(reply.status), "\(path) \(reply.status)")
                #expect(reply.status == 400 || reply.code == "request_refused", "\(path)")
            }
            let reply = try await dashboard.ask(
                "POST", "/v1/tasks", #"{"endpoint":"image/make","request":{"prompt":"x"}}"#, token: token,
                headers: ["Host: \(host)", "Origin: http://\(host)", "Sec-Fetch-Site: same-origin"])
            #expect([400, 403].contains(reply.status))
            #expect(try await dashboard.world.sqlite.tasks(matching: TaskFilter(), after: nil, limit: 1).tasks.isEmpty)
        }
    }

    @Test func `a request without a host is refused`() async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            var received = ""
            try await RawClient.with(port: dashboard.port) { client in
                try await client.send("GET / HTTP/1.0\r\nConnection: close\r\n\r\n")
                received = try await client.readToEnd()
            }
            #expect(RawReply(received).status == 403, "\(received)")
        }
    }

    @Test func `names of this machine on any port and those of the settings are ours, also after a reload`()
        async throws
    {
        let names = Reloadable(["pollux.example.org"])
        try await DashboardHarness.run(hosts: names.view(\.self)) { (dashboard: DashboardHarness) async throws in
            func status(_ host: String) async throws -> Int {
                try await dashboard.ask("GET", "/", headers: ["Host: \(host)"]).status
            }
            // The port of an SSH tunnel is another one.
            for host in ["localhost", "127.0.0.1:9000", "[::1]:1", "LOCALHOST:8485", "Pollux.Example.Org"] {
                let found = try await status(host)
                #expect(found == 200, "\(host)")
            }
            names.replace(with: ["other.example"])
            #expect(try await status("other.example:443") == 200)
            #expect(try await status("pollux.example.org") == 403)
        }
    }

    @Test(arguments: [
        ["Origin:"], ["Origin: null"], ["Origin: http://evil.example"], ["Origin: http://127.0.0.1:1"],
        ["Origin: http://localhost:1"], ["Sec-Fetch-Site: cross-site"], ["Sec-Fetch-Site: same-site"],
        ["Sec-Fetch-Site: x"], ["Origin: http://127.0.0.1@evil.example"], ["Origin: file://"],
    ])
    func `a request of another page changes nothing, even with a token`(headers: [String]) async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let token = try dashboard.token()
            for method in ["POST", "DELETE", "PUT", "OPTIONS", "PATCH"] {
                for path in ["/v1/tasks", "/dashboard/session", "/dashboard/media"] {
                    let reply = try await dashboard.ask(
                        method, path, #"{"endpoint":"image/make","request":{"prompt":"x"}}"#, token: token,
                        headers: headers)
                    #expect(reply.status == 403, "\(method) \(path) \(reply.text)")
                    #expect(reply.code == "request_refused")
                }
            }
            // The site decides where it is known: the page's own origin does not help.
            if headers.first?.hasPrefix("Sec-Fetch-Site") == true {
                let reply = try await dashboard.ask(
                    "POST", "/v1/tasks", "{}", token: token, headers: headers + ["Origin: \(dashboard.origin)"])
                #expect(reply.code == "request_refused")
            }
            #expect(try await dashboard.world.sqlite.tasks(matching: TaskFilter(), after: nil, limit: 1).tasks.isEmpty)
            #expect(dashboard.sessions.session(of: token) != nil)
        }
    }

    @Test func `a request of our page is accepted, by site or by origin`() async throws {
        try await DashboardHarness.run(hosts: Current(always: ["pollux.example.org"])) {
            (dashboard: DashboardHarness) async throws in
            let token = try dashboard.token()
            for headers in [
                ["Sec-Fetch-Site: same-origin"], ["Sec-Fetch-Site: none"], ["Origin: \(dashboard.origin)"],
                ["Sec-Fetch-Site: same-origin", "Origin: https://pollux.example.org"],
                ["Host: pollux.example.org", "Origin: https://pollux.example.org"],
                ["Host: pollux.example.org:443", "Origin: https://pollux.example.org"],
                ["Host: Pollux.example.org:8485", "Origin: http://pollux.example.org:8485"],
            ] {
                let reply = try await dashboard.ask(
                    "POST", "/v1/tasks", #"{"endpoint":"image/make","request":{"prompt":"x"}}"#, token: token,
                    headers: headers)
                #expect(reply.status == 201, "\(headers) \(reply.text)")
            }
        }
    }

    @Test func `no reply lets another page read it`() async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let token = try dashboard.token()
            for path in Self.paths {
                for method in ["GET", "OPTIONS"] {
                    let reply = try await dashboard.ask(
                        method, path, token: token,
                        headers: [
                            "Origin: http://evil.example", "Access-Control-Request-Method: GET",
                            "Access-Control-Request-Headers: authorization",
                        ])
                    #expect(!reply.headers.keys.contains { $0.hasPrefix("access-control") }, "\(method) \(path)")
                    if method == "OPTIONS" { #expect(reply.status == 403, "\(path)") }
                }
            }
        }
    }

    @Test func `every reply has the headers that keep browsers from harm`() async throws {
        let policy =
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let token = try dashboard.token()
            var replies: [RawReply] = []
            for path in Self.paths {
                replies.append(try await dashboard.ask("GET", path))
                replies.append(try await dashboard.ask("HEAD", path, token: token))
                replies.append(try await dashboard.ask("POST", path, "not json", token: token))
                replies.append(try await dashboard.ask("GET", path, headers: ["Host: evil.example"]))
            }
            #expect(Set(replies.map(\.status)).isSuperset(of: [200, 400, 401, 403, 404, 405]))
            for reply in replies {
                #expect(reply.headers["content-security-policy"] == policy, "\(reply.text)")
                #expect(reply.headers["x-content-type-options"] == "nosniff")
                #expect(reply.headers["referrer-policy"] == "no-referrer")
                #expect(reply.headers["cross-origin-opener-policy"] == "same-origin")
                #expect(reply.headers["cross-origin-resource-policy"] == "same-origin")
                #expect(["no-store", "no-cache"].contains(reply.headers["cache-control"]))
                #expect(reply.headers["set-cookie"] == nil)
                #expect(reply.headers["server"] == nil)
            }
        }
    }
}
