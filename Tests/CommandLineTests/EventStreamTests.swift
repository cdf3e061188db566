import LocalAPIContract
import NIOCore
import Synchronization
import Testing
import VerbatimJSON

@testable import LocalAPIClient
@testable import pollux

@Suite(.timeLimit(.minutes(5))) struct EventStreamTests {
    // MARK: Server-sent events

    @Test func `messages are read from bytes that arrive in any parts`() {
        let text = "retry: 2000\n\nid: a-1\ndata: {\"x\":1}\n\n:\nid: a-2\n\nevent: reset\ndata:{}\ndata: é\n\n"
        let expected = [
            EventStreamParser.Message(),
            EventStreamParser.Message(data: Array("{\"x\":1}".utf8), id: "a-1"), EventStreamParser.Message(id: "a-2"),
            EventStreamParser.Message(type: "reset", data: Array("{}\né".utf8)),
        ]
        for size in 1...text.utf8.count {
            var parser = EventStreamParser()
            var messages: [EventStreamParser.Message] = []
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                messages += parser.read(ByteBuffer(bytes: rest.prefix(size)))
                rest = rest.dropFirst(size)
            }
            #expect(messages == expected, "parts of \(size)")
            #expect(parser.bufferedBytes == 0)
        }
    }

    @Test func `a query of events contains only the filters that are set`() {
        #expect(EventQuery().text == "")
        let query = EventQuery(
            tasks: ["a", "b"], endpoints: ["suno/audios"], states: ["failed"], labels: ["b": "x y"],
            included: ["results"])
        #expect(query.text == "?task=a%2Cb&endpoint=suno%2Faudios&state=failed&include=results&label=b%3Ax%20y")
    }

    // MARK: Connections that end

    private static func event(_ sequence: Int, _ state: String = "running") -> String {
        let task =
            #"{"id":"t","endpoint":"a/b","state":"\#(state)","created_at":"2026-11-23T14:00:00.000Z"}"#
        return
            "id: e-\(sequence)\ndata: {\"id\":\"e-\(sequence)\",\"sequence\":\(sequence),\"task_id\":\"t\",\"at\":\"x\",\"kind\":\"k\",\"task\":\(task)}\n\n"
    }

    private static func stream(_ body: String) -> String {
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nretry: 2000\n\n" + body
    }

    private static func problem(_ status: Int, _ code: String) -> String {
        let body = #"{"status":\#(status),"code":"\#(code)","title":"t","detail":"d"}"#
        return "HTTP/1.1 \(status) X\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    private static func task(_ state: String) -> String {
        let body = #"{"id":"t","endpoint":"a/b","state":"\#(state)","created_at":"2026-11-23T14:00:00.000Z"}"#
        return "HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    private static func lastEventID(_ request: FakeDaemon.Request) -> String? {
        request.head.firstMatch(of: /(?i)last-event-id: (\S+)/).map { String($0.1) }
    }

    @Test func `an interrupted stream is resumed after the last complete event, even if the daemon has no room`()
        async throws
    {
        let daemon = try FakeDaemon(requests: 4) { number, _ in
            switch number {
            case 1: Self.stream(Self.event(1) + Self.event(2) + Self.event(3).dropLast(2))
            case 2: Self.problem(503, "too_many_streams")
            // It sends the position of the stream without an event.
            case 3: Self.stream(Self.event(3) + ":\nid: e-7\n\n")
            default: Self.stream(Self.event(8))
            }
        }
        let seen = Mutex<[Int]>([])
        let outages = Mutex(0)
        try await LocalAPIClient.with(socketPath: daemon.path) { client in
            try await client.followOverRestarts(
                EventQuery(), from: StreamPlace(after: "0"), onAway: { _ in outages.withLock { $0 += 1 } }
            ) { item in
                guard case .event(let document, _) = item else { return true }
                seen.withLock { $0.append(document.event.sequence) }
                return document.event.sequence < 8
            }
        }
        #expect(seen.withLock { $0 } == [1, 2, 3, 8])
        #expect(daemon.requests.map(Self.lastEventID) == ["0", "e-2", "e-2", "e-7"])
        #expect(outages.withLock { $0 } == 2)
    }

    @Test func `a missing daemon or a refused stream is an error at once`() async throws {
        let daemon = try FakeDaemon(requests: 1) { _, _ in Self.problem(404, "task_not_found") }
        for path in ["/tmp/pollux-no-such-socket.sock", daemon.path] {
            await #expect(throws: LocalAPIClientError.self) {
                try await LocalAPIClient.with(socketPath: path) { client in
                    try await client.followOverRestarts(EventQuery(), from: StreamPlace()) { _ in true }
                }
            }
        }
    }

    // MARK: Waiting

    private func wait(_ daemon: FakeDaemon) async throws -> [String] {
        let states = Mutex<[String]>([])
        try await LocalAPIClient.with(socketPath: daemon.path, patience: .seconds(1)) { client in
            let started = TaskDocument(id: "t", endpoint: "a/b", state: "queued", createdAt: "x")
            let follower = TaskFollower(client: client, deadline: .now + .seconds(60)) { _, answer in
                states.withLock { $0.append(answer.document.state) }
            }
            try await follower.follow([Answer(status: 200, json: started.json, document: started)])
        }
        return states.withLock { $0 }
    }

    @Test func `a wait reads the task when the stream reports its end, over new connections too`()
        async throws
    {
        let daemon = try FakeDaemon(requests: 5) { number, request in
            switch (request.head.hasPrefix("GET /v1/events?task=t "), number) {
            case (true, 1): Self.stream("event: caught_up\ndata: {\"control\":\"caught_up\"}\n\n" + Self.event(1))
            case (true, _): Self.stream(Self.event(2, "succeeded"))
            case (false, 2): Self.task("queued")
            case (false, _): Self.task("succeeded")
            }
        }
        #expect(try await wait(daemon) == ["queued", "running", "succeeded"])
        #expect(daemon.requests.count == 4)
    }

    @Test(arguments: [(404, "no_such_route"), (503, "too_many_streams")])
    func `a wait uses long polls if the daemon has no stream for it`(status: Int, code: String) async throws {
        let daemon = try FakeDaemon(requests: 3) { number, _ in
            number == 1 ? Self.problem(status, code) : Self.task(number == 2 ? "running" : "succeeded")
        }
        #expect(try await wait(daemon) == ["running", "succeeded"])
        #expect(daemon.requests[0].head.hasPrefix("GET /v1/events?task=t "))
        #expect(daemon.requests[1].head.hasPrefix("GET /v1/tasks/t?wait_seconds=1 "))
    }

    @Test func `a wait fails if the daemon stays away or no longer knows the task`() async throws {
        let gone = try FakeDaemon(requests: 2) { number, _ in
            number == 1
                ? Self.stream("event: caught_up\ndata: {\"control\":\"caught_up\"}\n\n")
                : Self.problem(404, "task_not_found")
        }
        let error = await #expect(throws: LocalAPIClientError.self) { _ = try await wait(gone) }
        guard case .problem(let problem)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(problem.code == "task_not_found")
        let away = try FakeDaemon(requests: 1) { _, _ in Self.stream("") }
        await #expect(throws: LocalAPIClientError.self) { _ = try await wait(away) }
    }
}
