import Foundation
import HTTPTesting
import HTTPTypes
import LocalAPI
import Logging
import NIOPosix
import ServiceLifecycle
import Synchronization
import TaskEngine
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@Suite(.timeLimit(.minutes(5))) struct StreamRoutesTests {
    /// Runs the body with the routes and a real socket.
    private func onSocket(
        connections: Int = LocalAPI.maxConnections, maxStreams: Int = LocalAPI.maxStreams,
        _ body: @escaping @Sendable (APIHarness, _ path: String) async throws -> Void
    ) async throws {
        try await APIHarness.run { api in
            let path = FileManager.default.temporaryDirectory.appending(path: "s-\(UUID().uuidString.prefix(8))").path
            let (running, isRunning) = AsyncStream<Void>.makeStream()
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            let server = LocalAPI.server(
                LocalAPIServices(
                    engine: api.engine, settings: UnchangedSettings(),
                    facts: DaemonFacts(
                        version: "1.2.3", pid: 42, startedAt: APIHarness.start, socketPath: path,
                        stateDirectory: "/state"),
                    dashboard: NoDashboard(), examine: { [] }, time: ManualTimeSource()),
                eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: logger, connections: connections,
                maxStreams: maxStreams
            ) { isRunning.finish() }
            let services = ServiceGroup(services: [server], logger: logger)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await services.run() }
                for await _ in running {}
                try await body(api, path)
                api.engine.streams.close()
                await services.triggerGracefulShutdown()
                try await group.waitForAll()
            }
        }
    }

    private static func get(_ target: String, _ headers: String = "") -> String {
        "GET \(target) HTTP/1.1\r\nHost: x\r\n\(headers)\r\n"
    }

    /// The documents after `data:`, or of each line.
    private static func documents(_ text: String) -> [JSONValue] {
        text.split(whereSeparator: \.isNewline).compactMap { line in
            let line = line.hasPrefix("data: ") ? line.dropFirst(6) : line
            return line.hasPrefix("{") ? try? JSONValue(parsing: String(line)) : nil
        }
    }

    @Test func `events are sent as server-sent events, each with its id and its task`() async throws {
        try await onSocket { api, path in
            try await RawClient.with(socketPath: path) { client in
                try await client.send(Self.get("/v1/events"))
                let head = try await client.read(until: "event: caught_up").lowercased()
                for line in [
                    "http/1.1 200 ok", "content-type: text/event-stream", "cache-control: no-store",
                    "x-accel-buffering: no", "retry: 2000\n\n",
                ] {
                    #expect(head.contains(line), "\(head)")
                }
                let id = try await api.submit("1", extra: #","labels":{"a":"b"}"#)
                let text = try await client.read(until: #""removed":null}}"#)
                let event = try #require(Self.documents(text).last { $0["kind"] != nil })
                let eventID = try #require(event["id"]?.string)
                #expect(text.contains("id: \(eventID)\ndata: {"))
                #expect(eventID.wholeMatch(of: /[0-9a-f]+-1/) != nil)
                #expect(event["kind"] == "created" && event["to"] == "queued" && event["sequence"] == 1)
                let task = try #require(event["task"]?.object)
                #expect(task["id"]?.string == id && task["labels"] == ["a": "b"])
                let whole = try await api.ask(.get, "/v1/tasks/\(id)").json.object?.names ?? []
                #expect(task.names == whole.filter { !["request", "response", "results"].contains($0) })
            }
        }
    }

    @Test func `events are sent as lines of JSON if the client asks for them`() async throws {
        try await onSocket { api, path in
            let id = try await api.submit("1")
            _ = try await api.ask(.post, "/v1/tasks/\(id)/cancel")
            try await RawClient.with(socketPath: path) { client in
                try await client.send(
                    Self.get("/v1/events?after=0&state=cancelled", "Accept: application/x-ndjson\r\n"))
                let text = try await client.read(until: "caught_up")
                #expect(text.lowercased().contains("content-type: application/x-ndjson"))
                #expect(!text.contains("retry:") && !text.contains("data:"))
                let lines = Self.documents(text)
                #expect(lines.map { $0["kind"] ?? $0["control"] } == ["cancelled", "caught_up"])
                #expect(lines.last?["newest"] == lines.first?["id"])
            }
        }
    }

    @Test func `a client resumes after its last event, which overrides the query`() async throws {
        try await onSocket { api, path in
            for number in 0..<3 { _ = try await api.submit("\(number)") }
            let epoch = try await api.store.logEpoch(orNew: "0").name
            for (target, header) in [
                ("/v1/events?after=0", "Last-Event-ID: \(epoch)-2\r\n"), ("/v1/events?after=\(epoch)-2", ""),
            ] {
                try await RawClient.with(socketPath: path) { client in
                    try await client.send(Self.get(target, header))
                    let text = try await client.read(until: "id: \(epoch)-3\n\n")
                    #expect(Self.documents(text).compactMap { $0["sequence"] } == [3])
                }
            }
        }
    }

    @Test func `a place that does not exist is a reset, with the bounds of the log`() async throws {
        try await onSocket { api, path in
            for number in 0..<3 { _ = try await api.submit("\(number)") }
            let epoch = try await api.store.logEpoch(orNew: "0").name
            try await RawClient.with(socketPath: path) { client in
                try await client.send(Self.get("/v1/events", "Last-Event-ID: abc-1\r\n"))
                let text = try await client.read(until: "caught_up")
                #expect(text.contains("event: reset\ndata: {"))
                let reset = try #require(Self.documents(text).first)
                #expect(
                    reset == [
                        "control": "reset", "reason": "unknown_epoch", "oldest": .string("\(epoch)-1"),
                        "newest": .string("\(epoch)-3"),
                    ])
                // From here on the client has an existing place.
                #expect(text.contains("\n\nid: \(epoch)-3\n\n"))
            }
        }
    }

    @Test func `payloads are sent if they are requested`() async throws {
        try await onSocket { api, path in
            let id = try await api.submit("a heron")
            try await RawClient.with(socketPath: path) { client in
                try await client.send(Self.get("/v1/events?after=0&include=request,results&task=\(id.prefix(13))"))
                let event = try #require(Self.documents(try await client.read(until: "caught_up")).first)
                #expect(event["task"]?["request"] == ["prompt": "a heron"])
                #expect(event["task"]?["results"] == [])
                #expect(event["task"]?.object?.names.contains("response") == false)
            }
        }
    }

    @Test(arguments: [
        ("after=now", "after"), ("after=12", "after"), ("after=-1", "after"), ("after=a-b", "after"),
        ("after=a-1-2", "after"), ("after=a-+1", "after"), ("after=xyz-1", "after"),
        ("after=a-99999999999999999999", "after"), ("after=0&after=0", "after"), ("state=done", "state"),
        ("state=", "state"), ("endpoint=flux", "endpoint"), ("label=x", "label"), ("label=a:1&label=a:2", "label"),
        ("include=everything", "include"), ("tasks=x", "tasks"), ("limit=5", "limit"),
    ])
    func `an invalid parameter is rejected by name`(query: String, field: String) async throws {
        try await APIHarness.run { api in
            let answer = try await api.ask(.get, "/v1/events?\(query)")
            #expect(answer.status == 400, "\(answer.text)")
            #expect(answer.problemCode == "invalid_parameter")
            #expect(answer.json["fields"] == [.string(field)])
            #expect(answer.json["detail"]?.string?.contains(field) == true)
            #expect(api.engine.streams.count == 0)
        }
    }

    @Test func `an invalid event id, too many tasks and unknown tasks are rejected`() async throws {
        try await APIHarness.run { api in
            let name = try #require(HTTPField.Name("Last-Event-ID"))
            let malformed = try await api.ask(.get, "/v1/events", headers: [name: "nonsense"])
            #expect(malformed.status == 400 && malformed.json["fields"] == ["Last-Event-ID"])
            let id = "00000000-0000-7000-8000-000000000000"
            let many = Array(repeating: id, count: 1_001).joined(separator: ",")
            #expect(try await api.ask(.get, "/v1/events?task=\(many)").problemCode == "invalid_parameter")
            #expect(try await api.ask(.get, "/v1/events?task=abcd").problemCode == "task_not_found")
        }
    }

    @Test func `at the maximum number of streams, a further one gets Retry-After`() async throws {
        try await onSocket(maxStreams: 1) { api, path in
            try await RawClient.with(socketPath: path) { first in
                try await first.send(Self.get("/v1/events"))
                _ = try await first.read(until: "caught_up")
                try await RawClient.with(socketPath: path) { second in
                    try await second.send(Self.get("/v1/events"))
                    let text = try await second.read(until: "too_many_streams")
                    #expect(text.hasPrefix("HTTP/1.1 503 "))
                    #expect(text.lowercased().contains("retry-after: 10"))
                }
            }
            // The first client disconnects, which the server notices itself.
            try await RawClient.with(socketPath: path) { third in
                var text = ""
                repeat {
                    try await third.send(Self.get("/v1/events"))
                    text = try await third.read(until: "}")
                } while !text.contains("caught_up")
            }
        }
    }

    @Test func `streams do not count toward the connections of the socket`() async throws {
        try await onSocket(connections: 2) { _, path in
            try await RawClient.with(socketPath: path) { first in
                try await RawClient.with(socketPath: path) { second in
                    for client in [first, second] { try await client.send(Self.get("/healthz")) }
                    for client in [first, second] { _ = try await client.read(until: "ok") }
                    // The third connection waits in the kernel's queue until another one becomes a stream.
                    try await RawClient.with(socketPath: path) { third in
                        try await third.send(Self.get("/healthz"))
                        try await first.send(Self.get("/v1/events"))
                        _ = try await first.read(until: "caught_up")
                        #expect(try await third.read(until: "ok").hasPrefix("HTTP/1.1 200"))
                    }
                }
            }
        }
    }

    @Test func `a stream ends properly when the daemon stops`() async throws {
        try await onSocket { api, path in
            try await RawClient.with(socketPath: path) { client in
                try await client.send(Self.get("/v1/events"))
                _ = try await client.read(until: "caught_up")
                api.engine.streams.close()
                _ = try await client.read(until: "0\r\n\r\n")
                try await client.send(Self.get("/v1/events"))
                #expect(try await client.read(until: "not_ready").hasPrefix("HTTP/1.1 503"))
            }
        }
    }

    @Test func `each of a hundred clients gets the events of its label among thousands`() async throws {
        try await onSocket { api, path in
            let (clients, perClient) = (100, 30)
            try await withThrowingTaskGroup(of: [JSONValue?].self) { group in
                let (opened, open) = AsyncStream<Void>.makeStream()
                for client in 0..<clients {
                    group.addTask {
                        let labels = Mutex<[JSONValue?]>([])
                        try await RawClient.with(socketPath: path) { raw in
                            try await raw.send(Self.get("/v1/events?label=client:\(client)"))
                            var text = try await raw.read(until: "caught_up")
                            open.yield()
                            text += try await raw.read(until: "\"last\"")
                            let found = Self.documents(text).compactMap { $0["task"] }.map { $0["labels"]?["client"] }
                            labels.withLock { $0 = found }
                        }
                        return labels.withLock { $0 }
                    }
                }
                var count = 0
                for await _ in opened {
                    count += 1
                    if count == clients { break }
                }
                for round in 0..<perClient {
                    let lines = (0..<clients).map { client in
                        let note = round == perClient - 1 ? #","note":"last""# : ""
                        return
                            #"{"endpoint":"flux/images","request":{},"labels":{"client":"\#(client)"}\#(note)}"#
                    }
                    let type = try #require(HTTPField.Name("Content-Type"))
                    let answer = try await api.ask(
                        .post, "/v1/tasks", lines.joined(separator: "\n"), headers: [type: "application/x-ndjson"])
                    #expect(answer.status == 200)
                }
                for try await labels in group {
                    #expect(labels.count == perClient)
                    #expect(Set(labels).count == 1)
                }
            }
        }
    }
}
