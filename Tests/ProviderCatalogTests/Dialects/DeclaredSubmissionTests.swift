import ProviderCatalog
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

/// Tests how declared endpoints read replies to submissions.
@Suite struct DeclaredSubmissionTests: DeclaredDialectFixture {
    @Test func `a reply with an id is accepted, with its poll URL`() throws {
        let profile = try endpoint(
            Self.plain.replacing("{id: /id}", with: "{id: [/task/id, /id], poll_url: /urls/get}"))
        #expect(
            profile.dialect.readSubmission(
                reply(201, #"{"id":12345678901234567890,"urls":{"get":"https://x.example"}}"#))
                == .accepted(
                    try #require(RemoteTaskID("12345678901234567890")), traceID: nil, pollURL: "https://x.example"))
        guard case .unknown = profile.dialect.readSubmission(reply(200, "{}")) else {
            Issue.record("a reply without an id is a verdict"); return
        }
        guard case .unknown = profile.dialect.readSubmission(reply(200, "<html>")) else {
            Issue.record("a reply without JSON is a verdict"); return
        }
    }

    @Test(arguments: ["slow_down", "broke", "bad_input"])
    func `an id in a 2xx reply proves acceptance, whatever its error code`(code: String) throws {
        let codes = "codes: {throttled: [slow_down], stops_account: [broke], refused: [bad_input]}"
        let profile = try endpoint(Self.plain, top: codes)
        let body = #"{"id":"t-1","status":"bad","error":{"code":"\#(code)"}}"#
        #expect(profile.dialect.readSubmission(reply(200, body)) == .accepted(id, traceID: nil))
        if case .accepted = profile.dialect.readSubmission(reply(400, body)) {
            Issue.record("accepted despite the status 400")
        }
    }

    @Test func `a 404 means not found only with a JSON object`() throws {
        let profile = try endpoint(Self.plain)
        #expect(profile.dialect.readLookup(reply(404, #"{"error":{"message":"no such task"}}"#), of: id) == .notFound)
        for body in ["<html>no route</html>", "", "\"gone\""] {
            guard case .failed = profile.dialect.readLookup(reply(404, body), of: id) else {
                Issue.record("\(body)"); return
            }
        }
    }

    @Test func `a status that no rule knows is reported as unrecognised, unless another part is pending`() throws {
        let profile = try endpoint(
            """
                submit: {path: "/v1/make"}
                accepted: {id: /id}
                poll: {path: "/v1/tasks/{id}"}
                results: [/url]
                state: [{at: /parts/*/status, pending: [run], succeeded: [ok], failed: [bad]}]
            """)
        func shape(_ body: String) -> String? {
            guard case .observed(let seen) = profile.dialect.readLookup(reply(200, body), of: id) else {
                return "unread"
            }
            #expect(seen.verdict == .pending)
            return seen.unrecognisedShape
        }
        #expect(shape(#"{"parts":[{"status":"run"},{"status":"odd"}]}"#) == nil)
        #expect(shape(#"{"parts":[{"status":"ok"},{"status":"odd"}]}"#)?.contains("odd") == true)
        #expect(shape(#"{"parts":[{"status":"odd"}]}"#)?.contains("odd") == true)
        #expect(shape(#"{"other":1}"#) == "{other}")
    }

    @Test func `a declared code decides whether a submission was accepted`() throws {
        let profile = try endpoint(
            Self.plain.replacing("{id: /id}", with: "{id: /result, at: /code, words: [1, 21, 22]}")
                + "\n    error: {code: /code, message: /description}",
            top: "codes: {throttled: [23], refused: [24]}")
        #expect(
            profile.dialect.readSubmission(reply(200, #"{"code":22,"result":"t-1"}"#)) == .accepted(id, traceID: nil))
        guard case .throttled = profile.dialect.readSubmission(reply(200, #"{"code":23,"description":"full"}"#)) else {
            Issue.record("23 is not throttled")
            return
        }
        guard
            case .refused(let failure, suspendsProvider: false) = profile.dialect.readSubmission(
                reply(200, #"{"code":24,"description":"banned"}"#))
        else {
            Issue.record("24 is not refused")
            return
        }
        #expect(failure.message == "banned")
        guard case .unknown = profile.dialect.readSubmission(reply(200, #"{"code":9,"result":"t-1"}"#)) else {
            Issue.record("an unknown code is a verdict")
            return
        }
    }

    @Test(arguments: [
        (400, "refused"), (401, "stops"), (402, "stops"), (403, "refused"), (404, "refused"), (408, "unknown"),
        (422, "refused"), (429, "throttled"), (500, "probably"), (502, "probably"), (504, "unknown"), (300, "unknown"),
        (302, "unknown"), (303, "unknown"), (304, "unknown"), (301, "moved"), (307, "moved"), (308, "moved"),
        (503, "throttled"), (418, "unknown"), (407, "account"), (409, "probably"), (410, "stops"),
    ])
    func `a status has its usual meaning, or the one that the definition declares`(status: Int, expected: String) throws
    {
        let profile = try endpoint(
            Self.plain,
            top: """
                statuses:
                  {throttled: [503], outcome_unknown: [418], stops_account: [407], server_fault: [409], refused_stops_account: [410]}
                """)
        let word =
            switch profile.dialect.readSubmission(reply(status, #"{"error":{"code":"x","message":"y"}}"#)) {
            case .accepted, .answered: "accepted"
            case .throttled: "throttled"
            case .stopped(_, .account): "account"
            case .stopped(_, .endpoint): "moved"
            case .refused(_, let stops): stops ? "stops" : "refused"
            case .probablyRefused: "probably"
            case .unknown: "unknown"
            }
        #expect(word == expected)
    }

    // MARK: Declared codes, texts and wait times

    @Test func `a declared text in a message stops the account, whatever the code`() throws {
        let profile = try endpoint(
            Self.plain + "\n    cancel: {path: \"/v1/{id}\"}",
            top: "codes: {throttled: [busy], stops_account: {code: [locked], text: [No Credit]}}")
        for (status, body) in [
            (403, #"{"error":{"message":"There is no credit left."}}"#),
            (429, #"{"error":{"code":"busy","message":"NO CREDIT"}}"#),
            (400, #"{"error":{"code":"Locked"}}"#), (200, #"{"error":{"message":"no credit"}}"#),
        ] {
            guard case .stopped(_, .account) = profile.dialect.readSubmission(reply(status, body)) else {
                Issue.record("\(status) \(body)"); return
            }
            guard case .failed(_, suspendsProvider: true) = profile.dialect.readLookup(reply(status, body), of: id),
                profile.dialect.cancelling?.problem(in: reply(status, body))?.suspendsProvider == true
            else { Issue.record("a query: \(body)"); return }
        }
        guard
            case .throttled = profile.dialect.readSubmission(reply(403, #"{"error":{"code":"busy","message":"wait"}}"#)),
            case .refused(_, suspendsProvider: false) = profile.dialect.readSubmission(
                reply(403, #"{"error":{"message":"no credits"}}"#.replacing("credits", with: "such model")))
        else { Issue.record("another message stops the account"); return }
    }

    @Test func `the longest matching text decides`() throws {
        let profile = try endpoint(
            Self.plain, top: "codes: {refused: {text: quota}, stops_account: {text: daily quota}}")
        guard
            case .stopped = profile.dialect.readSubmission(reply(429, #"{"error":{"message":"daily quota is used"}}"#)),
            case .refused(_, suspendsProvider: false) = profile.dialect.readSubmission(
                reply(429, #"{"error":{"message":"size quota"}}"#))
        else { Issue.record("the longest text does not decide"); return }
    }

    @Test func `the error of a redirect shows the new URL without its secrets`() throws {
        let profile = try endpoint(Self.plain + "\n    cancel: {path: \"/v1/{id}\"}")
        let moved = UpstreamReply(
            status: 308, headers: ["location": "https://me:pw@new.example/v2/make?key=secret#x"], body: [])
        guard case .stopped(let failure, .endpoint) = profile.dialect.readSubmission(moved) else {
            Issue.record("not moved"); return
        }
        #expect(failure.code == "moved" && failure.message.contains("https://new.example/v2/make "))
        #expect(!failure.message.contains("pw") && !failure.message.contains("secret"))
        guard case .failed(let query, suspendsProvider: false) = profile.dialect.readLookup(moved, of: id) else {
            Issue.record("the query has not failed"); return
        }
        #expect(query.message.contains("new.example"))
        #expect(profile.dialect.cancelling?.problem(in: moved)?.failure.code == "moved")
    }

    @Test(
        arguments: [
            (#"[{"x":1},{"retryDelay":"8.4s"}]"#, 8.4), (#"[{"retryDelay":7}]"#, 7), (#"[{"retryDelay":"1m30s"}]"#, 90),
            (#"[{"retryDelay":"250ms"}]"#, 0.25), (#"[{"retryDelay":"12"}]"#, 12), (#"[{"retryDelay":"soon"}]"#, nil),
            (#"[{"retryDelay":-1}]"#, nil), (#"[{"retryDelay":""}]"#, nil), ("[]", nil), ("7", nil),
            (#"[{"retryDelay":"1e9s"}]"#, nil), (#"[{"retryDelay":1e9}]"#, 86_400),
        ] as [(String, Double?)])
    func `a wait time may be in the body of a throttled reply`(details: String, seconds: Double?) throws {
        let lines = Self.plain + "\n    error: {code: /error/code, wait: {at: /error/details/*/retryDelay}}"
        let body = #"{"error":{"code":"x","details":\#(details)}}"#
        let expected = seconds.map { Duration.seconds(rounding: $0) }
        guard case .throttled(_, let submitted) = try endpoint(lines).dialect.readSubmission(reply(429, body)),
            case .throttled(_, let asked) = try endpoint(lines).dialect.readLookup(reply(429, body), of: id)
        else { Issue.record("not throttled"); return }
        #expect(submitted == expected && asked == expected)
        // The longer of two wait times counts.
        let both = UpstreamReply(status: 429, retryAfter: .seconds(10), body: Array(body.utf8))
        guard case .throttled(_, let longer) = try endpoint(lines).dialect.readSubmission(both) else { return }
        #expect(longer == max(.seconds(10), expected ?? .zero))
    }

    // MARK: Ids in header fields

    @Test func `an id and a poll URL may be in header fields`() throws {
        let profile = try endpoint(
            Self.plain.replacing(
                "{id: /id}", with: "{id_header: Operation-Location, poll_url_header: Operation-Location}"))
        func accepted(_ location: String) -> SubmitVerdict {
            profile.dialect.readSubmission(
                UpstreamReply(status: 202, headers: ["operation-location": location], body: []))
        }
        let url = "https://api.p.example/v1/operations/t-1?api-version=2"
        #expect(accepted(url) == .accepted(id, traceID: nil, pollURL: url))
        #expect(try profile.dialect.lookup(id, pollURL: url).url == url)
        // A path relative to the base URL, and a text that is not a URL.
        #expect(
            accepted("/v1/operations/t-1/")
                == .accepted(id, traceID: nil, pollURL: "https://api.p.example/v1/operations/t-1/"))
        #expect(accepted("t-1") == .accepted(id, traceID: nil, pollURL: "t-1"))
        guard case .unknown = accepted("https://"), case .unknown = profile.dialect.readSubmission(reply(202, ""))
        else {
            Issue.record("no id"); return
        }
        guard
            case .refused = profile.dialect.readSubmission(
                UpstreamReply(status: 400, headers: ["operation-location": url], body: []))
        else { Issue.record("the id outweighs the status 400"); return }
    }

    @Test func `a relative poll URL in a body is resolved against the base URL`() throws {
        let profile = try endpoint(Self.plain.replacing("{id: /id}", with: "{id: /id, poll_url: /u}"))
        #expect(
            profile.dialect.readSubmission(reply(200, #"{"id":"t-1","u":"/q/1"}"#))
                == .accepted(id, traceID: nil, pollURL: "https://api.p.example/q/1"))
    }
}
