import Gateway
import HTTPTesting
import ProviderCatalog
import Synchronization
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import UpstreamHTTP
import VerbatimJSON

@Suite(.timeLimit(.minutes(2))) struct PollTests {
    /// Submits a task, and polls it once so that it has that record.
    private func task(
        _ id: String, record: JSONValue, of gateway: GatewayHarness
    ) async throws {
        gateway.world.provider.enqueue(.accepted(id))
        #expect(try await gateway.submit("prompt of \(id)").status == 200)
        gateway.world.provider.play { sent in sent.ids.isEmpty ? .json(record) : .items([record]) }
        gateway.world.time.advance(by: .seconds(300))
        _ = try await gateway.world.engine.scheduler.step()
        #expect(!gateway.world.provider.queries.isEmpty)
        gateway.world.provider.forget()
    }

    @Test func `a poll is answered from the record and asks nothing`() async throws {
        try await GatewayHarness.run { gateway in
            try await task("r-1", record: Record.succeeded("r-1"), of: gateway)
            gateway.world.time.advance(by: .seconds(7))
            for body in [
                #"{"action":"retrieve","id":"r-1"}"#, #"{"task_id":"r-1"}"#, #"{"id":"r-1","task_id":"r-1"}"#,
            ] {
                let reply = try await gateway.ask("POST", "/testing/v1/image/tasks", body)
                #expect(reply.status == 200)
                #expect(reply.json == Record.succeeded("r-1"))
                #expect(reply.headers["age"] == "7")
                #expect(reply.headers["pollux-durable"] == "true")
            }
            #expect(gateway.world.provider.queries.isEmpty)
        }
    }

    @Test func `several tasks are answered in one reply, and only unknown ones are asked for`() async throws {
        try await GatewayHarness.run { gateway in
            try await task("r-1", record: Record.pending("r-1"), of: gateway)
            gateway.world.provider.play { _ in .items([Record.succeeded("r-9")]) }
            let reply = try await gateway.ask(
                "POST", "/testing/image/tasks", #"{"action":"retrieve_batch","ids":["r-9","r-1","r-8"]}"#)
            #expect(reply.json == ["items": [Record.succeeded("r-9"), Record.pending("r-1")], "count": 2])
            #expect(gateway.world.provider.queries.map(\.ids) == [["r-9", "r-8"]])
            #expect(try await gateway.tasks().compactMap(\.remoteID?.text).sorted() == ["r-1", "r-9"])
        }
    }

    @Test func `an unknown id is asked for once and tracked`() async throws {
        try await GatewayHarness.run { gateway in
            gateway.world.provider.play { _ in .json(Record.pending("r-7")) }
            let first = try await gateway.poll("r-7")
            #expect(first.json == Record.pending("r-7"))
            let second = try await gateway.poll("r-7")
            #expect(second.status == 200)
            #expect(gateway.world.provider.queries.count == 1)
            #expect(try await gateway.tasks().first?.remoteID?.text == "r-7")
        }
    }

    @Test func `that the provider does not know an id is remembered for a minute`() async throws {
        try await GatewayHarness.run { gateway in
            gateway.world.provider.play { _ in .json([:]) }
            for _ in 1...3 { #expect(try await gateway.poll("r-7").body == "{}") }
            #expect(gateway.world.provider.queries.count == 1)
            gateway.world.time.advance(by: .seconds(61))
            _ = try await gateway.poll("r-7")
            #expect(gateway.world.provider.queries.count == 2)
            #expect(try await gateway.tasks().isEmpty)
        }
    }

    @Test func `a task is not tracked where the settings say so`() async throws {
        var settings = GatewaySettings()
        settings.adopts = false
        try await GatewayHarness.run(settings: settings) { gateway in
            gateway.world.provider.play { _ in .json(Record.pending("r-7")) }
            let reply = try await gateway.poll("r-7")
            #expect(reply.json == Record.pending("r-7"))
            #expect(try await gateway.tasks().isEmpty)
        }
    }

    @Test func `both ids are good for ever`() async throws {
        try await GatewayHarness.run { gateway in
            try await task("r-1", record: Record.succeeded("r-1"), of: gateway)
            let id = try #require(try await gateway.tasks().first?.id.text)
            #expect(try await gateway.poll(id).json == Record.succeeded("r-1"))
        }
    }

    @Test func `a failed poll of ours is not shown`() async throws {
        try await GatewayHarness.run { gateway in
            try await task("r-1", record: Record.pending("r-1"), of: gateway)
            gateway.world.provider.play { _ in .text("<html>", status: 502) }
            gateway.world.time.advance(by: .seconds(300))
            _ = try await gateway.world.engine.scheduler.step()
            let reply = try await gateway.poll("r-1")
            #expect(reply.status == 200)
            #expect(reply.json == Record.pending("r-1"))
        }
    }

    @Test func `fifty programs that poll fifty tasks ask the provider nothing`() async throws {
        try await GatewayHarness.run { gateway in
            let ids = (1...50).map { "r-\($0)" }
            for id in ids {
                gateway.world.provider.enqueue(.accepted(id))
                #expect(try await gateway.submit("prompt of \(id)").status == 200)
            }
            let batch = #"{"action":"retrieve_batch","ids":[\#(ids.map { "\"\($0)\"" }.joined(separator: ","))]}"#
            for number in 1...50 {
                let token = try await gateway.world.engine.gateway.tokens.add("program-\(number)")
                let one = gateway.request(
                    "POST", "/testing/v1/image/tasks", #"{"id":"r-\#(number)"}"#, token: token)
                #expect(try await gateway.exchange(one).json["id"]?.string == "r-\(number)")
                let all = gateway.request("POST", "/testing/v1/image/tasks", batch, token: token)
                #expect(try await gateway.exchange(all).json["items"]?.array?.count == 50)
            }
            #expect(gateway.world.provider.queries.isEmpty)
            #expect(gateway.passing.passed.isEmpty)
        }
    }

    private static let expiring = """
        provider: testing
        default: true
        base_url: http://127.0.0.1:1
        max_requests_per_second: 1000
        endpoints:
          image/make:
            submit: {path: /image/make}
            accepted: {id: /id}
            poll: {path: "/image/{id}", id: /id}
            state: [{at: /status, pending: [run], succeeded: [ok], failed: [no]}]
            results: [/url]
            artefact_lifetime_seconds: 3600
        """

    @Test func `a record whose addresses have expired is asked for again, once a minute`() async throws {
        try await GatewayHarness.run(definition: Self.expiring) { gateway in
            @Sendable func record(_ name: String) -> JSONValue {
                ["id": "r-1", "status": "ok", "url": .string("https://example.com/\(name).png")]
            }
            gateway.world.provider.enqueue(.json(["id": "r-1", "status": "run"]), .json(record("old")))
            #expect(try await gateway.submit().status == 200)
            gateway.world.time.advance(by: .seconds(300))
            _ = try await gateway.world.engine.scheduler.step()
            gateway.world.provider.forget()
            @Sendable func poll() async throws -> JSONValue { try await gateway.ask("GET", "/testing/image/r-1").json }
            gateway.world.time.advance(by: .seconds(3_000))
            #expect(try await poll() == record("old"))
            #expect(gateway.world.provider.queries.isEmpty)
            gateway.world.time.advance(by: .seconds(700))
            gateway.world.provider.play { _ in .json(record("new")) }
            #expect(try await poll() == record("new"))
            #expect(try await poll() == record("new"))
            #expect(gateway.world.provider.queries.count == 1)
            gateway.world.time.advance(by: .seconds(61))
            gateway.world.provider.play { _ in .text("<html>", status: 502) }
            // A failed question is not shown.
            #expect(try await poll() == record("old"))
            #expect(try await poll() == record("old"))
            #expect(gateway.world.provider.queries.count == 2)
        }
    }

    @Test func `a client with a proxy names the address in a header field, which goes no further`() async throws {
        let definition = Self.expiring.replacing(
            "endpoints:", with: "gateway: {proxied: {header: x-target, base: \"https://queue.example\"}}\nendpoints:")
        try await GatewayHarness.run(definition: definition) { gateway in
            gateway.world.provider.enqueue(.json(["id": "r-1", "status": "run"]))
            let submitted = try await gateway.ask(
                "POST", "/testing", #"{"prompt":"a cat"}"#, headers: ["X-Target: https://queue.example/image/make"])
            #expect(submitted.json["id"] == "r-1")
            #expect(gateway.world.provider.paid.map(\.request.path) == ["/image/make"])
            #expect(gateway.world.provider.paid.first?.request.headers["x-target"] == nil)
            let passed = try await gateway.ask(
                "GET", "/testing?a=b", headers: ["X-Target: https://queue.example/models?limit=2"])
            #expect(passed.status == 203)
            #expect(gateway.passing.passed.map(\.request.target) == ["/models?limit=2"])
            #expect(
                gateway.passing.passed.first?.request.headers.contains { $0.name.lowercased() == "x-target" } == false)
            for other in ["https://queue.example.evil/image/make", "https://evil.example/", "http://queue.example/"] {
                let reply = try await gateway.ask("POST", "/testing", "{}", headers: ["X-Target: \(other)"])
                #expect(reply.status == 404)
            }
            #expect(try await gateway.tasks().count == 1)
        }
    }

    @Test func `everything else passes through without credentials`() async throws {
        try await GatewayHarness.run { gateway in
            let reply = try await gateway.ask(
                "PUT", "/testing/v1/files?name=a&key=\(gateway.token)", "bytes",
                headers: ["Cookie: a=b", "X-Own: 1", "x-stainless-os: Linux"], type: "text/plain")
            #expect(reply.status == 203)
            #expect(reply.body.contains("passed"))
            #expect(reply.headers["pollux-durable"] == "false")
            #expect(reply.headers["x-secret"] == nil)
            let passed = try #require(gateway.passing.passed.first)
            #expect(passed.request.target == "/files?name=a")
            #expect(passed.request.method == "PUT")
            #expect(passed.body == Array("bytes".utf8))
            let names = passed.request.headers.map { $0.name.lowercased() }
            #expect(names.contains("x-own"))
            for name in ["authorization", "cookie", "host", "connection", "x-stainless-os"] {
                #expect(!names.contains(name))
            }
        }
    }

    @Test func `a stream passes through and is no task`() async throws {
        try await GatewayHarness.run { gateway in
            // The provider takes its time for the second part.
            gateway.passing.delay(last: { try? await Task.sleep(for: .milliseconds(200)) })
            let reply = try await gateway.ask("POST", "/testing/image/make", #"{"prompt":"a","stream":true}"#)
            #expect(reply.headers["pollux-durable"] == "false")
            #expect(reply.headers["transfer-encoding"] == "chunked")
            #expect(reply.body == "6\r\npassed\r\n3\r\n on\r\n0\r\n\r\n", "\(reply.body)")
            #expect(gateway.passing.passed.map(\.body) == [Array(#"{"prompt":"a","stream":true}"#.utf8)])
            #expect(try await gateway.tasks().isEmpty)
        }
    }

    /// Before the head of the reply, and in its middle.
    @Test(arguments: [true, false])
    func `what passes through ends when its program goes away`(isBeforeHead: Bool) async throws {
        try await GatewayHarness.run { gateway in
            let (ended, end) = AsyncStream.makeStream(of: Void.self)
            let (begun, begin) = AsyncStream.makeStream(of: Void.self)
            let isThere = Mutex(true)
            // A provider that says nothing for ever.
            let silence: @Sendable () async -> Void = {
                begin.finish()
                try? await Task.sleep(for: .seconds(3_600))
                #expect(!isThere.withLock { $0 })
                end.finish()
            }
            gateway.passing.delay(head: isBeforeHead ? silence : nil, last: isBeforeHead ? nil : silence)
            try await RawClient.with(port: gateway.port) { client in
                try await client.send(gateway.request("GET", "/testing/v1/models", closes: false))
                if !isBeforeHead { _ = try await client.read(until: "passed") }
                for await _ in begun {}
                try await Task.sleep(for: .milliseconds(200))
                isThere.withLock { $0 = false }
            }
            for await _ in ended {}
        }
    }

    @Test func `nothing else passes where the settings say so`() async throws {
        var settings = GatewaySettings()
        settings.passesUnknown = false
        try await GatewayHarness.run(settings: settings) { gateway in
            let reply = try await gateway.ask("GET", "/testing/models")
            #expect(reply.status == 403)
            #expect(gateway.passing.passed.isEmpty)
        }
    }
}
