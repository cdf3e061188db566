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
            let reply = try await gateway.ask("POST", "/testing/image/make", #"{"prompt":"a","stream":true}"#)
            #expect(reply.headers["pollux-durable"] == "false")
            #expect(gateway.passing.passed.map(\.body) == [Array(#"{"prompt":"a","stream":true}"#.utf8)])
            #expect(try await gateway.tasks().isEmpty)
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
