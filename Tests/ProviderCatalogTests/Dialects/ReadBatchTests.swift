import ProviderCatalog
import TaskModel
import Testing
import VerbatimJSON

@Suite struct ReadBatchTests {
    private let profile: EndpointProfile
    private let a: RemoteTaskID
    private let b: RemoteTaskID

    init() throws {
        profile = try #require(EndpointName("veo/videos").flatMap(try ProviderCatalog.builtIn().endpoint))
        a = try #require(RemoteTaskID("a"))
        b = try #require(RemoteTaskID("b"))
    }

    private func reply(_ status: Int, _ body: String) -> UpstreamReply {
        UpstreamReply(status: status, retryAfter: .seconds(3), body: Array(body.utf8))
    }

    private func words(_ body: String) -> [String: String]? {
        guard case .observed(let observations) = profile.batching?.read(reply(200, body), of: [a, b]) else {
            return nil
        }
        return Dictionary(uniqueKeysWithValues: observations.map { ($0.text, $1.verdict.word) })
    }

    @Test func `records are matched by id, strangers and gaps are passed over`() {
        let done = #""response":{"data":[{"state":"succeeded"}]}"#
        #expect(words(#"{"items":[{"id":"x",\#(done)},{"id":"b",\#(done)}],"count":9}"#) == ["b": "succeeded"])
        #expect(
            words(#"{"items":[{"id":"b","response":null},{"id":"a",\#(done)}]}"#) == ["a": "succeeded", "b": "pending"])
        #expect(words(#"{"items":[null,7,{},[],{"response":{}}]}"#) == [:])
        #expect(words(#"{"items":[]}"#) == [:])
        #expect(words("{}") == [:])
        // That none of them is known is said of no single task; a list that is not there shows nothing.
        #expect(profile.batching?.read(reply(404, "{}"), of: [a, b]) == .observed([:]))
        guard case .failed = profile.listing?.read(reply(404, "{}")) else { Issue.record("a list"); return }
    }

    @Test func `of a repeated record the finished one counts`() {
        let done = #"{"id":"a","response":{"data":[{"state":"succeeded"}]}}"#
        let pending = #"{"id":"a","response":null}"#
        #expect(words(#"{"items":[\#(done),\#(pending)]}"#) == ["a": "succeeded"])
        #expect(words(#"{"items":[\#(pending),\#(done)]}"#) == ["a": "succeeded"])
    }

    @Test func `an item that only says it is unknown says nothing of the task`() {
        #expect(words(#"{"items":[{"id":"a","error":{"code":"not_found","message":"m"}}]}"#) == [:])
        #expect(words(#"{"items":[{"id":"a","error":{"code":"forbidden","message":"m"}}]}"#) == ["a": "failed"])
    }

    @Test(arguments: [
        (200, "", "reply_unreadable"), (200, #"{"items":7}"#, "reply_unexpected"), (200, #"[]"#, "reply_unexpected"),
        (200, #"{"error":{"code":"bad_request","message":"m"}}"#, "bad_request"), (404, "<html>", "not_found"),
        (500, #"{"error":{"code":"api_error","message":"m"}}"#, "api_error"), (302, "", "unexpected_redirect"),
        (500, #"{"items":[{"id":"a","status":"failed"}]}"#, "provider_error"),
    ])
    func `a batch that fails says nothing about any task`(status: Int, body: String, code: String) {
        guard
            case .failed(let failure, suspendsProvider: false) = profile.batching?.read(
                reply(status, body), of: [a, b]),
            case .failed(let listing, suspendsProvider: false) = profile.listing?.read(reply(status, body))
        else {
            Issue.record("not failed")
            return
        }
        #expect(failure.code == code && listing.code == code)
    }

    @Test func `throttling and account stops are told`() {
        let busy = reply(500, #"{"error":{"code":"busy"}}"#)
        guard case .throttled(_, let wait) = profile.batching?.read(reply(429, ""), of: [a]),
            case .throttled(_, let listingWait) = profile.listing?.read(busy),
            case .failed(_, suspendsProvider: true) = profile.batching?.read(
                reply(401, #"{"error":{"code":"token_expired"}}"#), of: [a])
        else {
            Issue.record("not told")
            return
        }
        #expect(wait == .seconds(3) && listingWait == .seconds(3))
    }

    @Test func `a page lists what the provider knows of each task`() throws {
        let body =
            #"{"items":[{"id":"a","trace_id":"t","type":"videos","created_at":1.5,"request":{"prompt":"p"}},{"none":1},{"id":"b"}],"count":99}"#
        let expected = [
            ListedTask(
                remoteID: a, traceID: "t", createdAt: Timestamp(milliseconds: 1500), type: "videos",
                request: ["prompt": "p"]),
            ListedTask(remoteID: b, request: .null),
        ]
        #expect(profile.listing?.read(reply(200, body)) == .page(expected, unreadable: 1))
        #expect(profile.listing?.read(reply(200, #"{"items":[]}"#)) == .page([]))
        #expect(profile.listing?.read(reply(200, "{}")) == .page([]))
    }
}
