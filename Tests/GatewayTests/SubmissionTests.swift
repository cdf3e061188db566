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

@Suite(.timeLimit(.minutes(2))) struct SubmissionTests {
    @Test func `a submission is answered as the provider answered it`() async throws {
        try await GatewayHarness.run { gateway in
            gateway.world.provider.enqueue(
                UpstreamReply(
                    status: 201, headers: ["content-type": "application/json; charset=utf-8"],
                    body: Array(#"{"success": true,  "task_id": "r-1"}"#.utf8)))
            let reply = try await gateway.submit()
            #expect(reply.status == 201)
            #expect(reply.body == #"{"success": true,  "task_id": "r-1"}"#)
            #expect(reply.headers["content-type"] == "application/json; charset=utf-8")
            #expect(reply.headers["pollux-durable"] == "true")
            let task = try #require(try await gateway.tasks().first)
            #expect(task.id.text == reply.task)
            #expect(task.labels == ["program": "notebook"])
            #expect(gateway.world.provider.paid.map(\.body) == [JSONObject([("prompt", "a cat"), ("async", true)])])
        }
    }

    @Test func `a request whose reply was lost gets the task of the first`() async throws {
        try await GatewayHarness.run { gateway in
            let gate = Gate()
            gateway.world.provider.play { _ in
                await gate.pass()
                return .accepted("r-1")
            }
            try await RawClient.with(port: gateway.port) { client in
                try await client.send(
                    gateway.request("POST", "/testing/image/make", GatewayHarness.body("a cat"), closes: false))
                await gate.arrived()
            }
            gate.open()
            let reply = try await gateway.submit()
            #expect(reply.status == 200)
            #expect(reply.headers["pollux-joined"] == "true")
            #expect(reply.json["task_id"] == "r-1")
            #expect(gateway.world.provider.paid.count == 1)
            let task = try #require(try await gateway.tasks().first)
            #expect(try await gateway.world.kinds(of: task.id).contains("joined"))
        }
    }

    @Test func `a reset after the last byte is a lost reply`() async throws {
        try await GatewayHarness.run { gateway in
            gateway.world.provider.enqueue(.accepted("r-1"), .accepted("r-2"))
            let socket = try PlainSocket(port: gateway.port)
            try socket.send(gateway.request("POST", "/testing/image/make", GatewayHarness.body("a cat"), closes: false))
            try socket.waitForReply()
            // The reply lies in its buffer, unread: the system resets the connection.
            socket.reset()
            // Another connection of the same thread: the reset has been seen by then.
            #expect(try await gateway.poll("r-1").status == 200)
            let reply = try await gateway.submit()
            #expect(reply.headers["pollux-joined"] == "true")
            #expect(gateway.world.provider.paid.count == 1)
        }
    }

    @Test func `a stored submission that cannot be answered gets no reply, and its retry gets the task`() async throws {
        try await GatewayHarness.run { gateway in
            gateway.world.provider.enqueue(.accepted("r-1"), .accepted("r-2"))
            gateway.world.store.fail(next: 1, with: .full) { call in
                if case .read("submissionReply") = call { true } else { false }
            }
            try await RawClient.with(port: gateway.port) { client in
                try await client.send(gateway.request("POST", "/testing/image/make", GatewayHarness.body("a cat")))
                #expect(try await client.readToEnd().isEmpty)
            }
            let retry = try await gateway.submit()
            #expect(retry.headers["pollux-joined"] == "true")
            #expect(retry.json["task_id"] == "r-1")
            #expect(gateway.world.provider.paid.count == 1)
        }
    }

    @Test func `four equal requests at the same time are four tasks`() async throws {
        try await GatewayHarness.run { gateway in
            let gate = Gate()
            gateway.world.provider.play { sent in
                await gate.pass()
                return .accepted(sent.request.headers["x-number"] ?? "")
            }
            let replies = try await withThrowingTaskGroup(of: Reply.self) { group in
                for number in 1...4 {
                    group.addTask { try await gateway.submit(headers: ["X-Number: r-\(number)"]) }
                }
                await gate.arrived(4)
                gate.open()
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(Set(replies.compactMap { $0.json["task_id"]?.string }) == ["r-1", "r-2", "r-3", "r-4"])
            #expect(Set(replies.compactMap(\.task)).count == 4)
            #expect(gateway.world.provider.paid.count == 4)
        }
    }

    @Test func `an equal request after a reply that arrived is a new task`() async throws {
        try await GatewayHarness.run { gateway in
            gateway.world.provider.enqueue(.accepted("r-1"), .accepted("r-2"))
            try await RawClient.with(port: gateway.port) { client in
                let text = gateway.request("POST", "/testing/image/make", GatewayHarness.body("a cat"), closes: false)
                try await client.send(text)
                #expect(try await client.read(until: "r-1").contains("200 OK"))
                try await client.send(text)
                #expect(try await client.read(until: "r-2").contains("200 OK"))
            }
            #expect(try await gateway.tasks().count == 2)
        }
    }

    @Test func `a retry that its client counts gets the task of a reply that arrived`() async throws {
        try await GatewayHarness.run { gateway in
            gateway.world.provider.enqueue(.accepted("r-1"), .accepted("r-2"))
            #expect(try await gateway.submit(headers: ["x-stainless-retry-count: 0"]).status == 200)
            // The gateway learns a moment later that the connection was closed.
            while try await gateway.world.sqlite.deliveredExchanges().isEmpty {
                try await Task.sleep(for: .milliseconds(5))
                _ = try await gateway.world.engine.fateRecorder.step()
            }
            gateway.world.time.advance(by: .seconds(11))
            let retry = try await gateway.submit(headers: ["x-stainless-retry-count: 1"])
            #expect(retry.headers["pollux-joined"] == "true")
            #expect(retry.json["task_id"] == "r-1")
            #expect(try await gateway.submit(headers: ["x-stainless-retry-count: 0"]).json["task_id"] == "r-2")
        }
    }

    @Test func `a counted retry gets a new task if the program has used the earlier reply`() async throws {
        try await GatewayHarness.run { gateway in
            gateway.world.provider.enqueue(.accepted("r-1"), .accepted("r-2"))
            #expect(try await gateway.submit(headers: ["x-stainless-retry-count: 0"]).json["task_id"] == "r-1")
            #expect(try await gateway.poll("r-1").status == 200)
            gateway.world.time.advance(by: .seconds(11))
            let other = try await gateway.submit(headers: ["x-stainless-retry-count: 1"])
            #expect(other.headers["pollux-joined"] == nil)
            #expect(other.json["task_id"] == "r-2")
        }
    }

    @Test func `a callback of a program is kept out of its request`() async throws {
        try await GatewayHarness.run { gateway in
            gateway.world.provider.enqueue(.accepted("r-1"))
            let body = #"{"prompt":"a cat","async":true,"callback_url":"http://127.0.0.1:3000/done"}"#
            #expect(try await gateway.ask("POST", "/testing/image/make", body).status == 200)
            #expect(
                gateway.world.provider.paid.map(\.body) == [JSONObject([("prompt", "a cat"), ("async", true)])])
            let task = try #require(try await gateway.tasks().first)
            #expect(task.notify == "callback:http://127.0.0.1:3000/done")
        }
    }

    @Test func `a program can ask for a task of its own`() async throws {
        try await GatewayHarness.run { gateway in
            gateway.world.provider.enqueue(.accepted("r-1"), .accepted("r-2"))
            _ = try await gateway.submit()
            let headers = ["x-stainless-retry-count: 1", "Pollux-Join: never"]
            #expect(try await gateway.submit(headers: headers).json["task_id"] == "r-2")
        }
    }

    @Test func `an idempotency key names its task, and another body is refused`() async throws {
        try await GatewayHarness.run { gateway in
            gateway.world.provider.enqueue(.accepted("r-1"), .accepted("r-2"))
            let key = ["Idempotency-Key: k"]
            let first = try await gateway.submit(headers: key)
            let second = try await gateway.submit(headers: key)
            #expect(first.task == second.task)
            #expect(second.json["task_id"] == "r-1")
            let other = try await gateway.submit("a dog", headers: key)
            #expect(other.status == 422)
            #expect(other.json["error"]?["code"] == "idempotency_key_reused")
            #expect(gateway.world.provider.paid.count == 1)
        }
    }

    @Test func `a refusal is the provider's own`() async throws {
        try await GatewayHarness.run { gateway in
            gateway.world.provider.enqueue(.error("bad_request", status: 400))
            let reply = try await gateway.submit()
            #expect(reply.status == 400)
            #expect(reply.json == ["error": ["code": "bad_request", "message": "No."], "trace_id": "trace-1"])
        }
    }

    @Test(arguments: [408, 409, 429, 500, 502, 504])
    func `no status makes a client send again`(status: Int) async throws {
        #expect(SubmissionStatus.safe(status) == 400)
    }

    @Test func `what is not accepted in time has our id, which can be polled`() async throws {
        try await GatewayHarness.run { gateway in
            let reply = try await gateway.whileTimePasses(after: gateway.loseReply()) { try await gateway.submit() }
            let task = try #require(try await gateway.tasks().first)
            #expect(task.state == .uncertain)
            #expect(reply.status == 200)
            #expect(reply.json == ["success": true, "task_id": .string(task.id.text)])
            let record = try await gateway.poll(task.id.text)
            #expect(record.json["id"]?.string == task.id.text)
            #expect(record.json["response"] == .object(JSONObject()))
            #expect(gateway.world.provider.queries.isEmpty)
        }
    }

    @Test func `a wait in vain is answered as an acceptance, although there is a record`() async throws {
        try await GatewayHarness.run { gateway in
            gateway.world.provider.enqueue(.accepted("r-1"))
            async let reply = gateway.ask(
                "POST", "/testing/image/make", #"{"prompt":"a cat"}"#, headers: ["Prefer: wait=9000"])
            while try await gateway.tasks().first?.state != .running { await Task.yield() }
            let record = Record.pending("r-1")
            gateway.world.provider.play { sent in sent.ids.isEmpty ? .json(record) : .items([record]) }
            gateway.world.time.advance(by: .seconds(300))
            _ = try await gateway.world.engine.scheduler.step()
            #expect(!gateway.world.provider.queries.isEmpty)
            gateway.world.time.advance(by: .seconds(9_000))
            #expect(try await reply.json == ["success": true, "task_id": "r-1"])
        }
    }

    @Test func `an uncertain inline submission is 424, and its retry gets the result`() async throws {
        try await GatewayHarness.run { gateway in
            let ask: @Sendable () async throws -> Reply = {
                try await gateway.ask("POST", "/testing/image/make", #"{"prompt":"a cat"}"#)
            }
            let reply = try await gateway.whileTimePasses(after: gateway.loseReply(), ask)
            #expect(reply.status == 424)
            #expect(reply.json["error"]?["code"] == "submission_uncertain")
            #expect(reply.headers["x-should-retry"] == "false")
            let task = try #require(try await gateway.tasks().first)
            #expect(reply.task == task.id.text)
            _ = try await gateway.world.service.resolve(task.id, .adopt(remoteID: "r-1"))
            gateway.world.provider.play { _ in .json(Record.succeeded("r-1")) }
            gateway.world.time.advance(by: .seconds(7_200))
            _ = try await gateway.world.engine.scheduler.step()
            let retry = try await ask()
            #expect(retry.status == 200)
            #expect(retry.headers["pollux-joined"] == "true")
            #expect(retry.json == Record.succeeded("r-1")["response"])
            #expect(gateway.world.provider.paid.map { $0.body["async"] } == [true])
        }
    }

    @Test func `a form is sent with its bytes and its type`() async throws {
        try await GatewayHarness.run { gateway in
            gateway.world.provider.enqueue(.accepted("r-1"))
            let form = Self.form(boundary: "XX")
            let reply = try await gateway.ask(
                "POST", "/testing/image/make?size=large", form, type: "multipart/form-data; boundary=XX")
            #expect(reply.status == 200)
            let sent = try #require(gateway.world.provider.paid.first?.request)
            #expect(sent.body == Array(form.utf8))
            #expect(sent.contentType == "multipart/form-data; boundary=XX")
            #expect(sent.path == "/image/make?size=large")
        }
    }

    static func form(boundary: String) -> String {
        """
        --\(boundary)\r
        Content-Disposition: form-data; name="prompt"\r
        \r
        a cat\r
        --\(boundary)\r
        Content-Disposition: form-data; name="callback_url"\r
        \r
        https://example.org/done\r
        --\(boundary)\r
        Content-Disposition: form-data; name="picture"; filename="a.png"\r
        Content-Type: image/png\r
        \r
        \u{1}\r\n--\r
        --\(boundary)--\r

        """
    }
}
