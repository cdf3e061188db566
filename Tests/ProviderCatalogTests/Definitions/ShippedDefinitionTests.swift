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
