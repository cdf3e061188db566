import ProviderCatalog
import TaskModel
import Testing
import VerbatimJSON

/// Tests the bundled definitions with real replies of their providers.
@Suite struct ShippedDefinitionTests {
    private func submission(_ endpoint: String, _ status: Int, _ body: String) throws -> SubmitVerdict {
        try profile(endpoint).dialect.readSubmission(UpstreamReply(status: status, body: Array(body.utf8)))
    }

    private func profile(_ name: String) throws -> EndpointProfile {
        let name = try #require(EndpointName(name))
        return try #require(try ProviderCatalog.builtIn().endpoint(name))
    }

    private func verdict(_ endpoint: String, _ body: String) throws -> Observation.Verdict? {
        let id = try #require(RemoteTaskID("t-1"))
        guard
            case .observed(let observation) = try profile(endpoint).dialect.readLookup(
                UpstreamReply(status: 200, body: Array(body.utf8)), of: id)
        else { return nil }
        return observation.verdict
    }

    @Test(arguments: [
        ("fal:queue/flux-dev", 403, #"{"detail":"User is locked. Reason: Exhausted balance. Top up your balance."}"#),
        ("fal:queue", 401, #"{"detail":"Authentication is required"}"#),
        ("openai:videos", 429, #"{"error":{"code":"insufficient_quota","message":"You exceeded your quota"}}"#),
        ("google:veo", 403, #"{"error":{"code":403,"message":"denied","status":"PERMISSION_DENIED"}}"#),
        ("replicate:predictions", 402, #"{"title":"Insufficient credit","detail":"…","status":402}"#),
        ("runway:image_to_video", 400, #"{"error":"You do not have enough credits to run this task."}"#),
    ])
    func `an unusable account stops submissions and keeps the task queued`(endpoint: String, status: Int, body: String)
        throws
    {
        guard case .stopped(let failure, .account) = try submission(endpoint, status, body) else {
            Issue.record("\(try submission(endpoint, status, body))")
            return
        }
        #expect(!failure.message.isEmpty)
    }

    @Test func `the wait time of google is read from the reply's body`() throws {
        let body = """
            {"error": {"code": 429, "message": "Please retry in 8.4s.", "status": "RESOURCE_EXHAUSTED", "details": [
              {"@type": "type.googleapis.com/google.rpc.Help"},
              {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "8.4s"}]}}
            """
        guard case .throttled(_, let wait) = try submission("google:veo", 429, body) else {
            Issue.record("not throttled")
            return
        }
        #expect(wait == .milliseconds(8_400))
    }

    @Test(arguments: [
        (#"{"name":"t-1","done":true}"#, "no_result"),
        (#"{"name":"t-1","done":true,"response":{"generateVideoResponse":{}}}"#, "no_result"),
        (#"{"name":"t-1","done":true,"response":{"raiMediaFilteredCount":1,"raiMediaFilteredReasons":["r"]}}"#, "r"),
        (#"{"name":"t-1","done":true,"response":{"generateVideoResponse":{"raiMediaFilteredReasons":["r"]}}}"#, "r"),
        (#"{"name":"t-1","done":true,"error":{"code":3,"message":"r"}}"#, "r"),
    ])
    func `a video that is done without a result has failed`(body: String, word: String) throws {
        guard case .failed(let failure) = try verdict("google:veo", body) else {
            Issue.record("not ended")
            return
        }
        #expect(failure.code == word || failure.message == word)
    }

    @Test func `a video that is not done is pending, and both formats of a finished one have results`() throws {
        for body in [
            #"{"name":"t-1"}"#, #"{"name":"t-1","done":false}"#, #"{"name":"t-1","done":false,"error":false}"#,
        ] {
            #expect(try verdict("google:veo", body) == .pending)
        }
        for (record, value) in [
            (
                ["response": ["generateVideoResponse": ["generatedSamples": [["video": ["uri": "https://x/1"]]]]]],
                "https://x/1"
            ),
            (["response": ["videos": [["gcsUri": "gs://b/1.mp4"]]]], "gs://b/1.mp4"),
        ] as [(JSONValue, JSONValue)] {
            #expect(try profile("google:veo").dialect.results(in: record).map(\.value) == [value])
        }
    }

    // MARK: Interactions

    /// A record of an interaction with the program's input and, unless it is nil, an output.
    private func interaction(_ status: String, output: JSONValue?, more: JSONObject = JSONObject()) -> JSONValue {
        let question: JSONValue = ["type": "text", "text": "a question of the program"]
        var steps: [JSONValue] = [["type": "user_input", "content": [question]]]
        if let output { steps.append(["type": "model_output", "content": [output]]) }
        var record = more
        for (name, value) in [
            ("id", "t-1"), ("status", .string(status)), ("created", "2026-05-20T10:00:00Z"),
            ("updated", "2026-05-20T10:00:09Z"), ("steps", .array(steps)),
        ] as [(String, JSONValue)] {
            record[name] = value
        }
        return .object(record)
    }

    @Test(arguments: [
        ("queued", "pending", "pending"), ("in_progress", "pending", "pending"),
        ("completed", "succeeded", "succeeded"),
        ("requires_action", "partial", "partial"), ("idle", "partial", "partial"), ("failed", "failed", "failed"),
        ("cancelled", "failed", "failed"), ("incomplete", "partial", "failed"),
        ("budget_exceeded", "partial", "failed"),
        ("requires_continuation", "partial", "failed"), ("a_new_word", "pending", "pending"),
    ])
    func `each status of an interaction ends the task as it should`(
        status: String, withOutput: String, without: String
    ) throws {
        let answer: JSONValue = ["type": "text", "text": "an answer"]
        for (output, expected) in [(answer, withOutput), (nil, without)] as [(JSONValue?, String)] {
            let word =
                switch try verdict("google:interactions", interaction(status, output: output).text) {
                case .pending: "pending"
                case .succeeded(let partial): partial ? "partial" : "succeeded"
                case .failed(let failure):
                    // Without an error the status is the code.
                    failure.code == status ? "failed" : failure.code
                case nil: "nothing"
                }
            #expect(word == expected)
        }
    }

    @Test func `the input of an interaction is no result, and its end has a time`() throws {
        let id = try #require(RemoteTaskID("t-1"))
        let dialect = try profile("google:interactions").dialect
        let image = String(repeating: "iVBORw0KGgoA", count: 6)
        for (output, kind, value) in [
            (["type": "text", "text": "an answer"], .text, "an answer"),
            (["type": "video", "uri": "https://x/v.mp4"], .url, "https://x/v.mp4"),
            (["type": "image", "mime_type": "image/png", "data": .string(image)], .data, .string(image)),
        ] as [(JSONValue, TaskResult.Kind, JSONValue)] {
            let record = interaction("completed", output: output)
            let observation = try #require(dialect.observe(record, of: id, httpStatus: 200))
            #expect(observation.results.map(\.value) == [value] && observation.results.first?.kind == kind)
            #expect(observation.finishedAt == Timestamp(rfc3339: "2026-05-20T10:00:09Z"))
        }
        let running = try #require(
            dialect.observe(interaction("in_progress", output: nil), of: id, httpStatus: 200))
        #expect(running.finishedAt == nil && running.createdAt != nil)
    }

    @Test func `the reason of a failed interaction is told`() throws {
        let errors: JSONValue = [["code": "https://errors/internal", "message": "it broke"]]
        let record = interaction("failed", output: nil, more: JSONObject([("errors", errors)]))
        guard case .failed(let failure) = try verdict("google:interactions", record.text) else {
            Issue.record("not failed")
            return
        }
        #expect(failure.code == "https://errors/internal" && failure.message == "it broke")
    }

    @Test func `an interaction is asked for in the background, unless the program decides`() throws {
        let dialect = try profile("google:interactions").dialect
        let request = JSONObject([("agent", "deep-research"), ("input", "why")])
        let sent = try dialect.submission(of: request, callbackURL: nil, ownID: nil)
        #expect(sent.path == "/v1beta/interactions")
        #expect(
            try JSONValue(parsing: try #require(sent.body))
                == ["agent": "deep-research", "input": "why", "background": true])
        let own = try dialect.submission(
            of: JSONObject([("input", "why"), ("background", false)]), callbackURL: nil, ownID: nil)
        #expect(try JSONValue(parsing: try #require(own.body)) == ["input": "why", "background": false])
        let accepted = try submission("google:interactions", 200, #"{"id": "v1_abc", "status": "queued"}"#)
        guard case .accepted(let id, _, _) = accepted else {
            Issue.record("\(accepted)")
            return
        }
        #expect(id.text == "v1_abc")
        #expect(try dialect.lookup(id).path == "/v1beta/interactions/v1_abc")
        let newer = try profile("google:v1/interactions").dialect
        #expect(try newer.submission(of: request, callbackURL: nil, ownID: nil).path == "/v1/interactions")
        #expect(try newer.lookup(id).path == "/v1/interactions/v1_abc")
    }

    @Test func `a video of openai has its download URL as result`() throws {
        let results = try profile("openai:videos").dialect.results(in: ["id": "video_1", "status": "completed"])
        #expect(results.map(\.value) == ["https://api.openai.com/v1/videos/video_1/content"])
        #expect(results.first?.mediaType == "video/*" && results.first?.kind == .url)
    }

    @Test func `images of fal are found in a callback and in a fetched result`() throws {
        let result: JSONValue = ["images": [["url": "https://x/1.png"]]]
        for record in [result, ["request_id": "r", "status": "OK", "payload": result]] as [JSONValue] {
            #expect(try profile("fal:queue/flux-dev").dialect.results(in: record).map(\.value) == ["https://x/1.png"])
        }
    }
}
