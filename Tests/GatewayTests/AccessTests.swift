import Gateway
import HTTPTesting
import ProviderCatalog
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import UpstreamHTTP
import VerbatimJSON

@Suite(.timeLimit(.minutes(2))) struct AccessTests {
    @Test(arguments: [
        "Origin: http://127.0.0.1", "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site",
    ])
    func `a request of a web page is refused before anything else`(header: String) async throws {
        try await GatewayHarness.run { gateway in
            let reply = try await gateway.submit(headers: [header])
            #expect(reply.status == 403)
            #expect(try await gateway.tasks().isEmpty)
        }
    }

    @Test(arguments: ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "", "a b"])
    func `a host that is not ours is refused`(host: String) async throws {
        try await GatewayHarness.run { gateway in
            let text = gateway.request("POST", "/testing/image/make", GatewayHarness.body("a cat"))
            let reply = try await gateway.exchange(
                text.replacing("Host: 127.0.0.1:\(gateway.port)", with: "Host: \(host)"))
            #expect([400, 403].contains(reply.status))
            #expect(try await gateway.tasks().isEmpty)
        }
    }

    @Test(arguments: ["localhost", "127.0.0.1:1", "[::1]:8484", "LOCALHOST:8484", "host.docker.internal:8484"])
    func `names of this machine and those of the settings are ours`(host: String) async throws {
        var settings = GatewaySettings()
        settings.hosts = ["host.docker.internal"]
        try await GatewayHarness.run(settings: settings) { gateway in
            let text = gateway.request("GET", "/testing/models")
            let reply = try await gateway.exchange(
                text.replacing("Host: 127.0.0.1:\(gateway.port)", with: "Host: \(host)"))
            #expect(reply.status == 203)
        }
    }

    @Test(arguments: [
        nil, "Authorization: Bearer pollux_AAAA", "Authorization: Bearer sk-provider", "Authorization: Basic YTpi",
        "Authorization: ", "x-api-key: sk-provider",
    ])
    func `a request without a token of ours is refused in the provider's form`(header: String?) async throws {
        try await GatewayHarness.run { gateway in
            let text = gateway.request(
                "POST", "/testing/image/make", GatewayHarness.body("a cat"),
                headers: [header ?? "X-None: 1", "Authorization-None: 1"])
            let reply = try await gateway.exchange(text)
            #expect(reply.status == 401)
            #expect(reply.json["error"]?["code"] == "invalid_gateway_token")
            #expect(try await gateway.tasks().isEmpty)
            #expect(gateway.world.provider.sent.isEmpty)
        }
    }

    @Test func `a token is accepted wherever a client puts its key`() async throws {
        try await GatewayHarness.run { gateway in
            for header in [
                "Authorization: Bearer \(gateway.token)", "Authorization: Key \(gateway.token)",
                "authorization: bearer \(gateway.token)", "X-API-Key: \(gateway.token)",
                "x-goog-api-key: \(gateway.token)",
            ] {
                let text = gateway.request("GET", "/testing/models", headers: [header, "Authorization-None: 1"])
                let reply = try await gateway.exchange(text)
                #expect(reply.status == 203, "\(header.prefix(20))")
            }
            let text = gateway.request(
                "GET", "/testing/models?a=1&key=\(gateway.token)&b=2", headers: ["Authorization-None: 1"])
            let reply = try await gateway.exchange(text)
            #expect(reply.status == 203)
            #expect(gateway.passing.passed.last?.request.target == "/models?a=1&b=2")
        }
    }

    @Test func `a removed token opens nothing, and another one does`() async throws {
        try await GatewayHarness.run { gateway in
            let tokens = gateway.world.engine.gateway.tokens
            let other = try await tokens.add("other")
            try await tokens.remove("notebook")
            #expect(try await gateway.ask("GET", "/testing/models").status == 401)
            let text = gateway.request("GET", "/testing/models", token: other)
            #expect(try await gateway.exchange(text).status == 203)
        }
    }

    @Test func `a token is in no log and not in the database`() async throws {
        try await GatewayHarness.run { gateway in
            gateway.world.provider.enqueue(.accepted("r-1"))
            let path = "/testing/image/make?key=\(gateway.token)"
            _ = try await gateway.ask("POST", path, GatewayHarness.body("a cat"))
            _ = try await gateway.ask("POST", "/testing/other?key=\(gateway.token)", "{}")
            #expect(gateway.log.text.contains("passes through"))
            #expect(!gateway.log.text.contains(gateway.token))
            let sent = try #require(gateway.world.provider.paid.first?.request)
            #expect(!sent.path.contains("key="))
            #expect(!sent.headers.values.contains { $0.contains(gateway.token) })
            let info = try await gateway.world.sqlite.info()
            for file in [info.path, info.path + "-wal"] {
                let bytes = try bytes(of: file)
                #expect(!bytes.isEmpty || file.hasSuffix("-wal"))
                #expect(!contains(Array(gateway.token.utf8), in: bytes))
            }
        }
    }

    @Test(arguments: [
        "Content-Length: 4\r\nContent-Length: 5", "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4", "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity", "Content-Length: +4", "Content-Length: 4 4",
        "Transfer-Encoding : chunked",
    ])
    func `a body of doubtful length is refused and the connection closed`(fields: String) async throws {
        try await GatewayHarness.run { gateway in
            let head = """
                POST /testing/image/make HTTP/1.1\r
                Host: 127.0.0.1\r
                Authorization: Bearer \(gateway.token)\r
                \(fields)\r
                \r

                """
            let second = gateway.request("GET", "/testing/smuggled")
            let reply = try await gateway.exchange(head + "{\"a\"" + "\r\n0\r\n\r\n" + second)
            #expect(reply.status == 400)
            #expect(!reply.text.dropFirst(5).contains("HTTP/1.1 203"))
            #expect(gateway.passing.passed.isEmpty)
            #expect(try await gateway.tasks().isEmpty)
        }
    }

    @Test func `a body that comes too slowly is given up`() async throws {
        try await GatewayHarness.run { gateway in
            try await RawClient.with(port: gateway.port) { client in
                try await client.send(
                    gateway.request("POST", "/testing/image/make", closes: false).replacing(
                        "\r\n\r\n", with: "\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"))
                // The submitter's loop and the body.
                await gateway.world.time.untilSleeping(2)
                gateway.world.time.advance(by: .seconds(61))
                let reply = try await client.readToEnd()
                #expect(reply.contains("400 Bad Request"))
            }
            #expect(try await gateway.tasks().isEmpty)
        }
    }

    @Test func `a body of 8 MiB is taken, and one above the limit is refused unread`() async throws {
        var settings = GatewaySettings()
        settings.maxBodyBytes = 9 << 20
        try await GatewayHarness.run(settings: settings) { gateway in
            gateway.world.provider.enqueue(.accepted("r-1"))
            let form = SubmissionTests.form(boundary: "XX").replacing(
                "\u{1}", with: String(repeating: "a", count: 8 << 20))
            let taken = try await gateway.ask(
                "POST", "/testing/image/make", form, type: "multipart/form-data; boundary=XX")
            #expect(taken.status == 200)
            #expect(gateway.world.provider.paid.first?.request.body == Array(form.utf8))
            let head = gateway.request("POST", "/testing/image/make").replacing(
                "\r\n\r\n", with: "\r\nContent-Type: application/json\r\nContent-Length: \(10 << 20)\r\n\r\n")
            let reply = try await gateway.exchange(head)
            #expect(reply.status == 413)
            #expect(reply.headers["connection"] == "close")
            #expect(try await gateway.tasks().count == 1)
        }
    }

    @Test func `a chunked body above the limit is refused`() async throws {
        var settings = GatewaySettings()
        settings.maxBodyBytes = 1 << 16
        try await GatewayHarness.run(settings: settings) { gateway in
            let chunk = String(repeating: "a", count: 1 << 15)
            let body = String(repeating: "8000\r\n\(chunk)\r\n", count: 3) + "0\r\n\r\n"
            let head = gateway.request("POST", "/testing/image/make").replacing(
                "\r\n\r\n", with: "\r\nTransfer-Encoding: chunked\r\n\r\n")
            let reply = try await gateway.exchange(head + body)
            #expect(reply.status == 413)
        }
    }

    @Test func `a path without a provider is refused`() async throws {
        try await GatewayHarness.run { gateway in
            for path in ["/", "/nothing/v1", "/v1/tasks"] {
                let reply = try await gateway.ask("GET", path)
                #expect(reply.status == 404)
            }
        }
    }
}
