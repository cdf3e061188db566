import ProviderCatalog
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

@Suite struct GatewayDialectTests {
    private let now = Timestamp(milliseconds: 1_795_000_000_000)

    private func match(
        _ provider: ProviderName, _ method: String, _ path: String, _ body: String? = nil,
        headers: [String: String] = [:]
    ) throws -> (operation: GatewayOperation, endpoints: [String])? {
        let fields = try body.map { try #require(try JSONValue(parsing: $0).object) }
        let request = IncomingRequest(method: method, path: path, headers: headers, fields: fields)
        return try ProviderCatalog.builtIn().match(request, of: provider).map {
            ($0.operation, $0.endpoints.map(\.name.text))
        }
    }

    private func id(_ text: String) throws -> RemoteTaskID { try #require(RemoteTaskID(text)) }

    private func object(_ text: String) throws -> JSONObject { try #require(try JSONValue(parsing: text).object) }

    private func gateway(_ endpoint: String) throws -> any GatewayDialect {
        let name = try #require(EndpointName(endpoint))
        return try #require(try ProviderCatalog.builtIn().endpoint(name)).dialect.gateway
    }

    private func task(_ phase: GatewayTask.Phase, record: JSONValue? = nil, request: JSONObject = JSONObject()) throws
        -> GatewayTask
    {
        GatewayTask(
            id: try id("019ab0c2-7d3e-7a41-9c55-2f6d0b8e4a17"), phase: phase, request: request, createdAt: now,
            endedAt: phase == .pending ? nil : now + .seconds(60), record: record, recordShowsOutcome: record != nil,
            address: "http://127.0.0.1:8484/x")
    }

    // MARK: Matching

    @Test(arguments: [
        (#"{"prompt":"a","async":true}"#, #"{"prompt":"a","async":true}"#, false),
        (#"{"prompt":"a","callback_url":"https://x"}"#, #"{"prompt":"a","callback_url":"https://x"}"#, false),
        (#"{"prompt":"a"}"#, #"{"prompt":"a"}"#, true),
        (#"{"prompt":"a","async":false}"#, #"{"prompt":"a"}"#, true),
    ])
    func `a submission to xhuoapi is inline unless it asks for an id`(
        body: String, request: String, isInline: Bool
    ) throws {
        let found = try #require(try match("xhuoapi", "POST", "/suno/audios", body))
        #expect(found.endpoints == ["suno/audios"])
        #expect(found.operation == .submit(try object(request), isInline: isInline))
    }

    @Test func `a submission to an endpoint that knows only one form has that form`() throws {
        let maestro = try match("xhuoapi", "POST", "/maestro/videos", #"{"prompt":"a"}"#)
        #expect(maestro?.operation == .submit(try object(#"{"prompt":"a"}"#), isInline: false))
        let lyrics = try match("xhuoapi", "POST", "/suno/lyrics", #"{"prompt":"a","async":true}"#)
        #expect(lyrics?.operation == .submit(try object(#"{"prompt":"a","async":true}"#), isInline: true))
    }

    @Test(arguments: [
        (#"{"id":"t-1"}"#, ["t-1"]), (#"{"action":"retrieve","task_id":"t-1"}"#, ["t-1"]),
        (#"{"action":"retrieve","id":17}"#, ["17"]),
        (#"{"action":"retrieve_batch","ids":["a","b"],"limit":2}"#, ["a", "b"]),
        (#"{"action":"retrieve_batch","created_at_min":1}"#, []), (#"{"action":"delete","id":"t-1"}"#, []),
        (#"{"action":"retrieve_batch","ids":["a",null]}"#, []), ("{}", []),
    ])
    func `a query of xhuoapi asks for the ids that it names`(body: String, ids: [String]) throws {
        let found = try match("xhuoapi", "POST", "/suno/tasks", body)
        let wanted = try ids.map(id)
        switch found?.operation {
        case .poll(let id): #expect([id] == wanted)
        case .polls(let ids): #expect(ids == wanted)
        case nil: #expect(wanted.isEmpty)
        default: Issue.record("\(String(describing: found))")
        }
    }

    @Test(arguments: [
        ("replicate", "POST", "/v1/predictions", "replicate:predictions", "{}"),
        ("replicate", "POST", "/v1/models/a/b/predictions", "replicate:models/predictions", #"{"model":"a/b"}"#),
        ("openai", "POST", "/v1/videos", "openai:videos", "{}"),
        (
            "google", "POST", "/v1beta/models/veo-3:predictLongRunning", "google:veo", #"{"model":"veo-3"}"#
        ),
        ("runway", "POST", "/v1/image_to_video", "runway:image_to_video", "{}"),
        ("fal", "POST", "/fal-ai/flux/schnell", "fal:queue", #"{"app":"fal-ai/flux/schnell"}"#),
        ("fal", "POST", "/fal-ai/flux/dev", "fal:queue/flux-dev", "{}"),
    ])
    func `the path of a submission names the endpoint`(
        provider: String, method: String, path: String, endpoint: String, named: String
    ) throws {
        let found = try #require(
            try match(ProviderName(stringLiteral: provider), method, path, #"{"input":{"prompt":"a"}}"#))
        #expect(found.endpoints == [endpoint])
        let input: JSONValue = ["prompt": "a"]
        let members = try object(named).members.map { ($0.name, $0.value) } + [("input", input)]
        #expect(found.operation == .submit(JSONObject(members), isInline: false))
        let name = try #require(EndpointName(endpoint))
        let profile = try #require(try ProviderCatalog.builtIn().endpoint(name))
        let request = try profile.dialect.submission(of: JSONObject(members), callbackURL: nil, ownID: nil)
        #expect(request.path == path)
        #expect(request.body.flatMap { try? JSONValue(parsing: $0) }?["input"] == input)
    }

    @Test(arguments: [
        ("replicate", "GET", "/v1/predictions/p1", "poll"),
        ("replicate", "POST", "/v1/predictions/p1/cancel", "cancel"),
        ("openai", "GET", "/v1/videos/p1", "poll"), ("openai", "GET", "/v1/videos/p1/content", "result"),
        ("runway", "GET", "/v1/tasks/p1", "poll"), ("runway", "DELETE", "/v1/tasks/p1", "cancel"),
        ("fal", "GET", "/fal-ai/flux/requests/p1/status", "poll"), ("fal", "GET", "/fal-ai/flux/requests/p1", "result"),
        ("fal", "PUT", "/fal-ai/flux/requests/p1/cancel", "cancel"),
        ("fal", "GET", "/fal-ai/veo3/fast/requests/p1/status", "poll"),
    ])
    func `the path of a query names the task`(provider: String, method: String, path: String, what: String) throws {
        let found = try #require(try match(ProviderName(stringLiteral: provider), method, path))
        let wanted: GatewayOperation =
            switch what {
            case "poll": .poll(try id("p1"))
            case "cancel": .cancel(try id("p1"))
            default: .result(try id("p1"))
            }
        #expect(found.operation == wanted)
    }

    @Test func `an operation of google keeps its name`() throws {
        let dialect = try gateway("google:veo")
        var operation = try task(.pending, request: try object(#"{"model":"veo-3"}"#))
        #expect(
            dialect.accepted(operation).json?["name"]
                == "models/veo-3/operations/019ab0c2-7d3e-7a41-9c55-2f6d0b8e4a17")
        // A task that was adopted has no reply to its submission.
        operation.id = try id("models/veo-3/operations/o1")
        #expect(dialect.accepted(operation).json?["name"] == "models/veo-3/operations/o1")
        operation.phase = .failed(TaskFailure(code: "gone", message: "It is gone."))
        #expect(dialect.record(operation)["name"] == "models/veo-3/operations/o1")
    }

    @Test func `a query of google names an operation`() throws {
        let path = "/v1beta/models/veo-3/operations/o1"
        #expect(try match("google", "GET", path)?.operation == .poll(try id("models/veo-3/operations/o1")))
        #expect(try match("google", "GET", "/v1beta/models/veo-3") == nil)
        #expect(try match("google", "GET", "/v1beta/files/a") == nil)
    }

    @Test(arguments: [
        ("openai", "GET", "/v1/videos"), ("openai", "POST", "/v1/chat/completions"),
        ("replicate", "GET", "/v1/predictions"),
        ("replicate", "GET", "/v1/predictions/a/b"), ("runway", "GET", "/v1/organization"),
        ("xhuoapi", "GET", "/suno/tasks"),
        ("xhuoapi", "POST", "/suno/unknown"),
    ])
    func `everything else is no operation`(provider: String, method: String, path: String) throws {
        #expect(try match(ProviderName(stringLiteral: provider), method, path, method == "POST" ? "{}" : nil) == nil)
    }

    @Test(arguments: [
        (#"{"model":"m","background":true}"#, false), (#"{"model":"m"}"#, true), (#"{"model":"m","store":true}"#, true),
        (#"{"model":"m","stream":true}"#, nil), (#"{"model":"m","background":true,"stream":true}"#, nil),
        (#"{"model":"m","store":false}"#, nil),
    ])
    func `an interaction that cannot run in the background is no task`(body: String, isInline: Bool?) throws {
        for path in ["/v1beta/interactions", "/v1/interactions"] {
            switch try match("google", "POST", path, body)?.operation {
            case .submit(let fields, let waits):
                #expect(waits == isInline)
                let background: JSONValue? = waits ? nil : true
                #expect(fields["background"] == background)
            case nil: #expect(isInline == nil)
            case let other: Issue.record("\(String(describing: other))")
            }
        }
    }

    @Test func `queries that several endpoints share name all of them`() throws {
        #expect(
            try match("replicate", "GET", "/v1/predictions/p1")?.endpoints
                == ["replicate:models/predictions", "replicate:predictions"])
    }

    @Test(arguments: [
        ("wait", true), ("wait=5", true), ("respond-async, wait=10", true), ("respond-async", false), ("wait=x", false),
    ])
    func `a request that prefers to wait is inline`(prefer: String, isInline: Bool) throws {
        let found = try match("replicate", "POST", "/v1/predictions", "{}", headers: ["prefer": prefer])
        #expect(found?.operation == .submit(JSONObject(), isInline: isInline))
    }

    // MARK: Replies

    @Test func `the accept reply of each provider has the id where its dialect reads it`() throws {
        for profile in try ProviderCatalog.builtIn().endpoints where !profile.dialect.answersOnlyInline {
            let request = try object(#"{"model":"m","app":"fal-ai/x","prompt":"a","input":{}}"#)
            let reply = profile.dialect.gateway.accepted(try task(.pending, request: request))
            let verdict = profile.dialect.readSubmission(UpstreamReply(status: reply.status, body: reply.body))
            guard case .accepted(let read, _, _) = verdict else {
                Issue.record("\(profile.name): \(verdict)")
                continue
            }
            #expect(read.text.split(separator: "/").last == "019ab0c2-7d3e-7a41-9c55-2f6d0b8e4a17", "\(profile.name)")
        }
    }

    @Test func `the record of each provider is read as what it says`() throws {
        let failure = TaskFailure(code: "c1", message: "m1")
        for profile in try ProviderCatalog.builtIn().endpoints where !profile.dialect.answersOnlyInline {
            let request = try object(#"{"model":"m","app":"fal-ai/x","prompt":"a","input":{}}"#)
            let gateway = profile.dialect.gateway
            let pending = gateway.record(try task(.pending, request: request))
            #expect(
                profile.dialect.observe(pending, of: nil, httpStatus: 200)?.verdict == .pending,
                "\(profile.name): \(pending.text)")
            let failed = gateway.record(try task(.failed(failure), request: request))
            guard case .failed(let read) = profile.dialect.observe(failed, of: nil, httpStatus: 200)?.verdict else {
                Issue.record("\(profile.name): \(failed.text)")
                continue
            }
            #expect(read.message.contains("m1"), "\(profile.name): \(failed.text)")
        }
    }

    @Test func `a record that shows the outcome is shown as it is`() throws {
        let record = try JSONValue(parsing: #"{"id":"p1","status":"failed","error":"no","extra":1.0}"#)
        let failed = try task(.failed(TaskFailure(code: "c", message: "m")), record: record)
        #expect(try gateway("replicate:predictions").record(failed).text == record.text)
    }

    @Test func `an inline reply of xhuoapi is what its record has under response`() throws {
        let record = try JSONValue(parsing: #"{"id":"t","request":{},"response":{"success":true,"data":[1]}}"#)
        let reply = try gateway("suno/audios").inline(try task(.succeeded, record: record))
        #expect(reply.status == 200)
        #expect(reply.json == ["success": true, "data": [1]])
        let refused = try task(.failed(TaskFailure(code: "forbidden", message: "Moderation.", httpStatus: 403)))
        let failed = try gateway("suno/audios").inline(refused)
        #expect(failed.status == 403)
        #expect(failed.json?["error"]?["code"] == "forbidden")
        let other = try task(.failed(TaskFailure(code: "api_error", message: "m", httpStatus: 500)))
        #expect(try gateway("suno/audios").inline(other).status == 400)
    }

    @Test func `the clients of each provider are pointed to the gateway`() throws {
        let catalog = try ProviderCatalog.builtIn()
        for (provider, line) in [
            ("openai", "OPENAI_BASE_URL=http://g/openai/v1"), ("replicate", "REPLICATE_BASE_URL=http://g/replicate"),
            ("runway", "RUNWAYML_BASE_URL=http://g/runway"), ("google", "GOOGLE_GEMINI_BASE_URL=http://g/google"),
            ("openai", "OPENAI_API_KEY=t"), ("fal", "FAL_QUEUE_RUN_HOST=g/fal"),
        ] {
            let profile = try #require(catalog.provider(ProviderName(stringLiteral: provider)))
            let lines = profile.gateway.environment.map {
                "\($0.name)=\($0.value(gateway: "http://g/\(provider)", token: "t"))"
            }
            #expect(lines.contains(line))
        }
    }

    @Test func `openai's clients are told when to ask again`() throws {
        #expect(try gateway("openai:videos").pollDelay(.seconds(2))?.value == "2000")
        #expect(try gateway("openai:videos").pollDelay(.seconds(2))?.name == "openai-poll-after-ms")
        #expect(try gateway("replicate:predictions").pollDelay(.seconds(2)) == nil)
    }

    // MARK: Definitions

    @Test(arguments: [
        ("accepted: {id: \"{ids}\"}", "{ids}"), ("poll: /v1/things", "{id}"), ("status: 404", "2xx"),
        ("accept: {}", "unknown field"), ("accepted: {id: \"{id\"}", "{id"),
    ])
    func `a mistake under gateway is named`(line: String, named: String) {
        let yaml = """
            provider: p
            base_url: https://api.p.example
            max_requests_per_second: 2
            endpoints:
              make:
                submit: {path: /v1/make}
                accepted: {id: /id}
                poll: {path: "/v1/tasks/{id}"}
                state: [{at: /status, pending: [run], succeeded: [ok], failed: [bad]}]
                results: [/url]
                gateway:
                  \(line)
            """
        do throws(CatalogError) {
            _ = try ProviderCatalog(definitions: [("p.yaml", yaml)])
            Issue.record("it was accepted")
        } catch {
            #expect("\(error)".contains(named), "\(error)")
        }
    }
}
