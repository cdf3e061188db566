import ProviderCatalog
import TaskModel
import Testing
import VerbatimJSON

@Suite struct ReadLookupTests {
    private let profile: EndpointProfile
    private let id: RemoteTaskID

    init() throws {
        profile = try #require(EndpointName("veo/videos").flatMap(try ProviderCatalog.builtIn().endpoint))
        id = try #require(RemoteTaskID("ours"))
    }

    private func read(_ status: Int, _ body: String, retryAfter: Duration? = nil) -> LookupVerdict {
        profile.dialect.readLookup(
            UpstreamReply(status: status, retryAfter: retryAfter, body: Array(body.utf8)), of: id)
    }

    private func word(_ status: Int, _ body: String) -> String {
        switch read(status, body) {
        case .observed(let observation): observation.verdict.word
        case .notFound: "not found"
        case .throttled: "throttled"
        case .failed(let failure, let stops): "query: \(failure.code)\(stops ? ", stops" : "")"
        }
    }

    @Test func `not found is recognised by an empty record and by a code`() {
        #expect(word(200, "{}") == "not found")
        #expect(word(404, "{}") == "not found")
        #expect(word(200, #"{"task":{}}"#) == "not found")
        #expect(word(200, #"{"task":null}"#) == "not found")
        for code in ["no_task", "not_found"] {
            #expect(word(404, #"{"error":{"code":"\#(code)","message":"m"}}"#) == "not found")
            #expect(word(200, #"{"success":false,"error":{"code":"\#(code)","message":"m"}}"#) == "not found")
        }
        #expect(word(404, #"{"error":{"code":"no_api","message":"m"}}"#) == "query: no_api")
        #expect(word(404, "<html>") == "query: not_found")
        #expect(word(500, "{}") == "query: provider_error")
    }

    @Test(arguments: [
        (500, #"{"error":{"code":"api_error","message":"m"}}"#, "query: api_error"),
        (502, "<html>", "query: provider_error"),
        (504, "", "query: provider_timeout"), (408, "", "query: provider_timeout"),
        (302, "", "query: unexpected_redirect"),
        (500, #"{"status":"error","message":"m"}"#, "query: provider_error"),
        (200, #"{"status":"error","error":"m"}"#, "query: provider_refused"),
        (200, #"{"success":false,"error":{"code":"forbidden","message":"m"}}"#, "query: forbidden"),
        (200, #"{"error":{"code":"bad_request","message":"m"},"request":{"id":"ours"}}"#, "query: bad_request"),
        (200, #"{"code":"bad_request","detail":"m"}"#, "query: bad_request"),
        (200, #"{"status":400,"message":"m"}"#, "query: provider_refused"),
        (403, #"{"error":{"code":"used_up","message":"m"}}"#, "query: used_up, stops"),
        (402, "", "query: provider_refused, stops"),
        (200, "", "query: reply_unreadable"), (200, "null", "query: reply_unexpected"),
        (200, "[]", "query: reply_unexpected"),
        (200, #"{"id":"ours","finished_at":17"#, "query: reply_unreadable"),
        (200, #"{"message":"ok"}"#, "query: reply_unexpected"),
        (200, #"{"items":[]}"#, "query: reply_unexpected"),
        (429, "", "throttled"), (429, #"{"id":"ours","status":"failed"}"#, "throttled"),
        (500, #"{"error":{"code":"busy","message":"m"}}"#, "throttled"),
        (500, #"{"task_id":"ours","error":{"code":"busy","message":"m"}}"#, "throttled"),
    ])
    func `a failed query has a code and proves nothing about the task`(status: Int, body: String, expected: String) {
        #expect(word(status, body) == expected)
    }

    @Test func `a throttled query has the requested wait time`() {
        guard case .throttled(_, let wait) = read(429, "", retryAfter: .seconds(9)) else {
            Issue.record("not throttled")
            return
        }
        #expect(wait == .seconds(9))
    }

    @Test func `a failed status word with the task's id decides, whatever the HTTP status`() {
        #expect(word(504, #"{"task_id":"ours","status":"failed","code":"timeout","detail":"m"}"#) == "failed")
        #expect(word(500, #"{"task":{"id":"ours","status":"failed"}}"#) == "failed")
        #expect(word(504, #"{"task_id":"theirs","status":"failed"}"#) == "query: provider_timeout")
        #expect(word(500, #"{"task_id":"ours","status":"succeeded"}"#) == "query: provider_error")
        #expect(
            word(500, #"{"task_id":"ours","success":false,"error":{"code":"api_error","message":"m"}}"#)
                == "query: api_error")
    }

    @Test(arguments: [
        #"{"id":"theirs","finished_at":1700000000,"response":{"success":true}}"#,
        #"{"task":{"id":"theirs","status":"succeeded"}}"#,
        #"{"task_id":"theirs","state":"succeed"}"#,
        #"{"response":{"task_id":"theirs","success":true},"finished_at":1700000000}"#,
    ])
    func `a record of another task is rejected`(body: String) {
        #expect(word(200, body) == "query: other_task")
    }

    @Test(arguments: [
        #"{"id":"ours","task_id":"theirs","status":"failed"}"#, #"{"id":"theirs","task_id":"ours","status":"failed"}"#,
        #"{"id":"ours","status":"failed","response":{"task_id":"theirs"}}"#,
        #"{"task_id":"ours","success":false,"error":{"code":"c","message":"m"}}"#,
        #"{"response":{"success":false,"error":{"code":"busy","message":"m"}}}"#,
        #"{"id":"ours","response":null,"error":{"code":"c"}}"#,
        #"{"id":"ours","status":"dead","response":null,"error":"m"}"#,
    ])
    func `a failure in the task's own record fails the task`(body: String) {
        #expect(word(200, body) == "failed")
    }
}
