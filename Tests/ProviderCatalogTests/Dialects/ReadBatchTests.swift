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

    @Test func `records of a batch are matched by id, and unknown or missing ones are ignored`() {
        let done = #""response":{"data":[{"state":"succeeded"}]}"#
        #expect(words(#"{"items":[{"id":"x",\#(done)},{"id":"b",\#(done)}],"count":9}"#) == ["b": "succeeded"])
        #expect(
            words(#"{"items":[{"id":"b","response":null},{"id":"a",\#(done)}]}"#) == ["a": "succeeded", "b": "pending"])
        #expect(words(#"{"items":[null,7,{},[],{"response":{}}]}"#) == [:])
        #expect(words(#"{"items":[]}"#) == [:])
        #expect(words("{}") == [:])
        // A 404 for a batch proves nothing about a single task. A 404 for a list is a failure.
        #expect(profile.batching?.read(reply(404, "{}"), of: [a, b]) == .observed([:]))
        guard case .failed = profile.listing?.read(reply(404, "{}")) else {
            Issue.record("the list query has not failed"); return
        }
    }

    @Test func `the finished one of two records with one id counts`() {
        let done = #"{"id":"a","response":{"data":[{"state":"succeeded"}]}}"#
        let pending = #"{"id":"a","response":null}"#
        #expect(words(#"{"items":[\#(done),\#(pending)]}"#) == ["a": "succeeded"])
        #expect(words(#"{"items":[\#(pending),\#(done)]}"#) == ["a": "succeeded"])
    }

    @Test func `an item with the error not_found is ignored`() {
        #expect(words(#"{"items":[{"id":"a","error":{"code":"not_found","message":"m"}}]}"#) == [:])
        #expect(words(#"{"items":[{"id":"a","error":{"code":"forbidden","message":"m"}}]}"#) == ["a": "failed"])
    }

    @Test(arguments: [
        (200, "", "reply_unreadable"), (200, #"{"items":7}"#, "reply_unexpected"), (200, #"[]"#, "reply_unexpected"),
        (200, #"{"error":{"code":"bad_request","message":"m"}}"#, "bad_request"), (404, "<html>", "not_found"),
        (500, #"{"error":{"code":"api_error","message":"m"}}"#, "api_error"), (302, "", "unexpected_redirect"),
        (500, #"{"items":[{"id":"a","status":"failed"}]}"#, "provider_error"),
    ])
    func `a failed batch or list query has a code and observes nothing`(status: Int, body: String, code: String) {
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

    @Test func `a throttled batch or list has its wait time, and an account error suspends the provider`() {
        let busy = reply(500, #"{"error":{"code":"busy"}}"#)
        guard case .throttled(_, let wait) = profile.batching?.read(reply(429, ""), of: [a]),
            case .throttled(_, let listingWait) = profile.listing?.read(busy),
            case .failed(_, suspendsProvider: true) = profile.batching?.read(
                reply(401, #"{"error":{"code":"token_expired"}}"#), of: [a])
        else {
            Issue.record("unexpected verdicts")
            return
        }
        #expect(wait == .seconds(3) && listingWait == .seconds(3))
    }

    @Test func `a page of the list has the facts of each task`() throws {
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
