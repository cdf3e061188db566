@testable import ProviderCatalog
import TaskModel
import Testing
import VerbatimJSON

/// Tests what the reply to a submission proves.
@Suite struct ReadSubmissionTests {
    private let profile: EndpointProfile

    init() throws {
        profile = try #require(EndpointName("suno/audios").flatMap(try ProviderCatalog.builtIn().endpoint))
    }

    private func read(_ status: Int, _ body: String, retryAfter: Duration? = nil) -> SubmitVerdict {
        profile.dialect.readSubmission(UpstreamReply(status: status, retryAfter: retryAfter, body: Array(body.utf8)))
    }

    private func unknownCode(_ status: Int, _ body: String) -> String? {
        guard case .unknown(let failure) = read(status, body) else { return nil }
        #expect(failure.httpStatus == status)
        return failure.code
    }

    private func refusal(_ status: Int, _ body: String) throws -> (failure: TaskFailure, suspendsProvider: Bool) {
        guard case .refused(let failure, let stops) = read(status, body) else {
            Issue.record("\(read(status, body))")
            throw Unexpected()
        }
        return (failure, stops)
    }

    private struct Unexpected: Error {}

    // MARK: Accepted and answered

    @Test func `a 2xx with an id is accepted`() throws {
        let id = try #require(RemoteTaskID("a-1"))
        #expect(read(200, #"{"task_id":"a-1"}"#) == .accepted(id, traceID: nil))
        #expect(read(201, #"{"success":true,"task_id":"a-1","trace_id":"t"}"#) == .accepted(id, traceID: "t"))
        #expect(read(202, #"{"task_id":"a-1","started_at":"2026-05-02T10:30:00.123Z"}"#) == .accepted(id, traceID: nil))
        #expect(read(200, #"{"task":{"id":"a-1","status":"queued"}}"#) == .accepted(id, traceID: nil))
        #expect(read(200, #"{"id":"a-1","request":{},"response":null}"#) == .accepted(id, traceID: nil))
        #expect(
            read(200, #"{"task_id":7621886649043206198}"#)
                == .accepted(try #require(RemoteTaskID("7621886649043206198")), traceID: nil))
    }

    @Test func `an id inside data is not the task's`() throws {
        let both = #"{"task_id":"ours","success":true,"data":{"task_id":"theirs"}}"#
        #expect(read(200, both) == .accepted(try #require(RemoteTaskID("ours")), traceID: nil))
        #expect(unknownCode(200, #"{"success":true,"data":{"task_id":"theirs"}}"#) == "reply_unexpected")
    }

    @Test func `the id of an inline result is not a task id`() {
        guard case .answered(let observation, nil) = read(200, #"{"id":"clip","audio_url":"https://a"}"#) else {
            Issue.record("not answered without an id")
            return
        }
        #expect(observation.verdict == .succeeded(partial: false))
    }

    @Test func `a status URL in an accepted reply is not a result`() throws {
        let body = #"{"task_id":"a","status_url":"https://x","callback_url":"https://y","data":{"queue_position":3}}"#
        for profile in [profile, try Fixture.generalProfile] {
            #expect(
                profile.dialect.readSubmission(UpstreamReply(status: 200, body: Array(body.utf8)))
                    == .accepted(try #require(RemoteTaskID("a")), traceID: nil))
        }
    }

    @Test func `a failed reply with an id ends the task, whatever its code`() throws {
        let body = #"{"success":false,"task_id":"a","error":{"code":"too_many_requests","message":"m"}}"#
        guard case .answered(let observation, let id) = read(200, body) else {
            Issue.record("not answered")
            return
        }
        #expect(id?.text == "a")
        #expect(
            observation.verdict
                == .failed(
                    TaskFailure(
                        code: "too_many_requests", message: "m", httpStatus: 200,
                        hint: profile.inferred?.rules.codes.hints["too_many_requests"])))
        for body in [#"{"success":false,"task_id":"a"}"#, #"{"success":false,"task_id":"a","error":"no"}"#] {
            guard case .answered(let observation, _) = read(200, body), case .failed = observation.verdict else {
                Issue.record("\(body) is not read as a failure")
                return
            }
        }
    }

    @Test func `an inline endpoint accepts any non-empty result`() throws {
        let seed = try #require(EndpointName("midjourney/seed").flatMap(try ProviderCatalog.builtIn().endpoint))
        func read(_ body: String) -> SubmitVerdict {
            seed.dialect.readSubmission(UpstreamReply(status: 200, body: Array(body.utf8)))
        }
        guard case .answered(let observation, nil) = read(#"{"seed":"123"}"#),
            case .unknown = read(#"{"message":"ok"}"#),
            case .unknown = read(#"{"seed":""}"#), case .refused = read(#"{"seed":"1","success":false}"#)
        else {
            Issue.record("not read as an inline answer")
            return
        }
        #expect(observation.verdict == .succeeded(partial: false))
        #expect(unknownCode(200, #"{"seed":"123"}"#) == "reply_unexpected")
    }

    // MARK: Refused

    @Test(arguments: [400, 401, 403, 404, 409, 413, 422, 451])
    func `a 4xx other than 408 and 429 is a refusal with the provider's code and message`(status: Int) throws {
        let (failure, stops) = try refusal(status, #"{"error":{"code":"bad_request","message":"no prompt"}}"#)
        #expect(failure.code == "bad_request" && failure.message == "no prompt" && failure.httpStatus == status)
        #expect(failure.hint != nil)
        // A 401 with an unlisted code may be about the token, which all requests use.
        #expect(stops == (status == 401))
    }

    @Test(arguments: [
        "used_up", "disabled", "invalid_token", "token_expired", "no_token", "authorization_missing",
        "authentication_failed",
    ])
    func `a code about the account suspends the provider and has a hint`(code: String) throws {
        for status in [400, 401, 403, 200] {
            let (failure, stops) = try refusal(status, #"{"success":false,"error":{"code":"\#(code)","message":"m"}}"#)
            #expect(stops)
            #expect(failure.hint?.contains("`pollux resume suno/audios`") == true)
        }
    }

    @Test func `a 402 and a 401 without a code suspend the provider, a 403 and a mismatched token do not`() throws {
        #expect(try refusal(402, "{}").suspendsProvider)
        #expect(try refusal(401, "<html>").suspendsProvider)
        #expect(try !refusal(401, #"{"error":{"code":"token_mismatched","message":"m"}}"#).suspendsProvider)
        #expect(try !refusal(403, "<html>").suspendsProvider)
        #expect(try !refusal(403, #"{"error":{"code":"forbidden","message":"m"}}"#).suspendsProvider)
    }

    @Test(arguments: [
        (#"{"error":{"code":"c","message":"m"},"trace_id":"t"}"#, "c", "m"),
        (#"{"success":false,"error":{"code":1026,"message":"m"}}"#, "1026", "m"),
        (
            #"{"status":400,"message":"[{\"loc\":[\"body\",\"format\"],\"msg\":\"m\"}]"}"#, "provider_refused",
            "body.format: m"
        ),
        (#"{"status":400,"message":"plain"}"#, "provider_refused", "plain"),
        (#"{"type":"error","error":{"type":"c","message":"m","http_code":"400"},"request_id":"r"}"#, "c", "m"),
        (#"{"code":"c","detail":"m"}"#, "c", "m"),
        (#"{"error":"m"}"#, "provider_refused", "m"),
        (#"{"error":{"code":"UPPER_CASE","message":{"deep":1}}}"#, "UPPER_CASE", #"{"deep":1}"#),
    ])
    func `every documented error format has a code and a message`(body: String, code: String, message: String)
        throws
    {
        let failure = try refusal(400, body).failure
        #expect(failure.code == code)
        #expect(failure.message == message)
        #expect(failure.httpStatus == 400)
    }

    @Test func `an error under a 2xx without an id is a refusal`() throws {
        #expect(
            try refusal(200, #"{"success":false,"error":{"code":"forbidden","message":"m"}}"#).failure.code
                == "forbidden")
        #expect(try refusal(200, #"{"error":{"code":"forbidden","message":"m"}}"#).failure.code == "forbidden")
        #expect(try refusal(200, #"{"success":false,"error":"m"}"#).failure.message == "m")
        #expect(try refusal(200, #"{"status":400,"message":"m"}"#).failure.httpStatus == 400)
    }

    // MARK: Throttled

    @Test(arguments: [
        (429, "<html>slow down"), (429, #"{"task_id":"a","success":false}"#),
        (500, #"{"error":{"code":"busy","message":"m"}}"#),
        (403, #"{"error":{"code":"rate_limited","message":"m"}}"#),
        (400, #"{"code":"Too_Many_Requests","detail":"m"}"#),
        (200, #"{"success":false,"error":{"code":"busy","message":"m"}}"#),
        (500, #"{"type":"error","error":{"type":"x","message":"m","http_code":"429"}}"#),
    ])
    func `a throttled submission has its wait time and a message`(status: Int, body: String) {
        guard case .throttled(let failure, let wait) = read(status, body, retryAfter: .seconds(7)) else {
            Issue.record("\(read(status, body))")
            return
        }
        #expect(wait == .seconds(7))
        #expect(!failure.message.isEmpty)
    }

    // MARK: Nothing proven

    @Test(arguments: [
        "", "<html>ok</html>", "null", "[]", "42", #""done""#, "{}", #"{"ok":true}"#, #"{"message":"queued"}"#,
        #"{"task_id":""}"#, #"{"task_id":null,"status":"running"}"#, #"{"status":"failed"}"#, #"{"task_id":"a"#,
        #"{"task_id":["a"]}"#, "{\"task_id\":\"a\"}\u{feff}",
    ])
    func `a 2xx without an id or a result proves nothing`(body: String) {
        #expect(unknownCode(200, body) != nil)
    }

    @Test func `time-outs and server errors without a code of the provider prove nothing`() {
        #expect(unknownCode(408, #"{"error":{"code":"bad_request","message":"m"}}"#) == "bad_request")
        #expect(unknownCode(408, "") == "provider_timeout")
        #expect(unknownCode(500, "") == "provider_error")
        #expect(unknownCode(502, "<html>Bad Gateway") == "provider_error")
        #expect(unknownCode(503, #"{"error":"Service Unavailable"}"#) != nil)
        #expect(unknownCode(500, #"{"code":500,"message":"Internal Server Error"}"#) != nil)
        #expect(unknownCode(504, #"{"error":{"code":"api_error","message":"m"}}"#) != nil)
        #expect(unknownCode(500, #"{"error":{"code":"timeout","message":"m"}}"#) == "timeout")
        #expect(unknownCode(200, #"{"error":{"code":"timeout","message":"m"}}"#) == "timeout")
        #expect(unknownCode(100, "") != nil)
        #expect(unknownCode(599, "{}") != nil)
    }

    @Test(arguments: [300, 302, 303, 304])
    func `a redirect proves nothing, and its hint names the base URL`(status: Int) {
        guard case .unknown(let failure) = read(status, #"{"task_id":"a"}"#) else {
            Issue.record("the redirect proves something")
            return
        }
        #expect(failure.code == "unexpected_redirect")
        #expect(failure.hint?.contains("base URL") == true)
    }

    @Test(arguments: [301, 307, 308])
    func `a permanent redirect stops the endpoint and shows the new URL`(status: Int) {
        let reply = UpstreamReply(status: status, headers: ["location": "https://new.example/suno"], body: [])
        guard case .stopped(let failure, .endpoint) = profile.dialect.readSubmission(reply) else {
            Issue.record("\(profile.dialect.readSubmission(reply))")
            return
        }
        #expect(failure.code == "moved" && failure.message.contains("https://new.example/suno"))
    }

    @Test func `a reply with a byte order mark or a NaN is read`() {
        for body in ["\u{feff}{\"task_id\":\"a\"}", #"{"task_id":"a","cost":NaN,"left":-Infinity}"#] {
            guard case .accepted(let id, _, _) = read(200, body) else { Issue.record("\(body)"); return }
            #expect(id.text == "a")
        }
    }

    @Test func `the error of an unknown content coding names it`() {
        let reply = UpstreamReply(status: 200, headers: ["content-encoding": "br"], body: [1, 2, 3])
        guard case .unknown(let failure) = profile.dialect.readSubmission(reply) else { Issue.record("read"); return }
        #expect(failure.code == "reply_unreadable" && failure.message.contains("compressed with br"))
    }

    @Test(arguments: [
        (500, #"{"error":{"code":"api_error","message":"m"}}"#),
        (503, #"{"success":false,"error":{"code":"api_error","message":"m"}}"#),
        (500, #"{"type":"error","error":{"type":"server_error","message":"m","http_code":"500"}}"#),
        (500, #"{"code":"internal_error","detail":"m"}"#), (200, #"{"error":{"code":"api_error","message":"m"}}"#),
    ])
    func `a 5xx with a code of the provider is probably a refusal`(status: Int, body: String) {
        guard case .probablyRefused(let failure, _) = read(status, body) else {
            Issue.record("\(read(status, body))")
            return
        }
        #expect(failure.message == "m")
    }
}
