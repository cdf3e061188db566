import ProviderCatalog
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

/// What endpoints told step by step send, and how they read what comes back.
@Suite struct DeclaredDialectTests {
    private let id: RemoteTaskID

    init() throws { id = try #require(RemoteTaskID("t-1")) }

    /// A definition whose one endpoint has these lines, indented by four.
    private func endpoint(_ lines: String, top: String = "") throws -> EndpointProfile {
        let yaml = """
            provider: p
            base_url: https://api.p.example
            max_requests_per_second: 2
            error: {code: /error/code, message: /error/message}
            \(top)
            endpoints:
              make:
            \(lines)
            """
        return try #require(try ProviderCatalog(definitions: [("p.yaml", yaml)]).endpoints.first)
    }

    private static let rest = """
            results: [/url]
            state: [{at: /status, pending: [run], succeeded: [ok], failed: [bad]}]
        """
    private static let plain = """
            submit: {path: "/v1/make"}
            accepted: {id: /id}
            poll: {path: "/v1/tasks/{id}", id: /id}
        \(rest)
        """

    private func reply(_ status: Int, _ body: String) -> UpstreamReply {
        UpstreamReply(status: status, body: Array(body.utf8))
    }

    private func state(_ rules: String, _ body: String, status: Int = 200) throws -> Observation.Verdict? {
        let lines = """
                submit: {path: "/v1/make"}
                accepted: {id: /id}
                poll: {path: "/v1/tasks/{id}"}
                results: [/url]
                state: \(rules)
            """
        guard case .observed(let observation) = try endpoint(lines).dialect.readLookup(reply(status, body), of: id)
        else {
            return nil
        }
        return observation.verdict
    }

    private func isFailed(_ verdict: Observation.Verdict?) -> Bool {
        if case .failed = verdict { true } else { false }
    }

    // MARK: Requests

    @Test func `members of the request fill the address and the header, and leave the body`() throws {
        let profile = try endpoint(
            """
                submit:
                  path: "/v1/{+model}/make"
                  query: {mode: "{mode}"}
                  headers: {X-Engine: "{engine}"}
                  set: {async: true}
                  callback: {member: webhook}
                accepted: {id: /id}
                poll: {path: "/v1/tasks/{id}"}
            \(Self.rest)
            """)
        let request = try JSONValue(
            parsing: #"{"model":"a/b c","prompt":"x","seed":12345678901234567890,"engine":"s1"}"#)
        let sent = try profile.dialect.submission(
            of: try #require(request.object), callbackURL: "https://me.example/c", ownID: nil)
        #expect(sent.method == "POST" && sent.path == "/v1/a/b%20c/make")
        #expect(sent.headers == ["X-Engine": "s1"])
        #expect(
            String(decoding: sent.body ?? [], as: UTF8.self)
                == #"{"prompt":"x","seed":12345678901234567890,"async":true,"webhook":"https://me.example/c"}"#)
    }

    @Test(arguments: [#"{}"#, #"{"model":""}"#, #"{"model":"../admin"}"#, #"{"model":"a//b"}"#, #"{"model":["a"]}"#])
    func `a request that cannot fill the address is told before anything is sent`(body: String) throws {
        let profile = try endpoint(Self.plain.replacing("/v1/make", with: "/v1/{+model}/make"))
        #expect(profile.dialect.problem(with: try #require(try JSONValue(parsing: body).object))?.field == "model")
    }

    @Test func `a callback may go into the query`() throws {
        let profile = try endpoint(Self.plain.replacing("make\"}", with: "make\", callback: {query: hook}}"))
        let sent = try profile.dialect.submission(
            of: JSONObject(), callbackURL: "https://me.example/c?a=1", ownID: nil)
        #expect(sent.path == "/v1/make?hook=https%3A%2F%2Fme.example%2Fc%3Fa%3D1")
    }

    @Test func `polls may have a method, a body and a query of their own`() throws {
        let profile = try endpoint(
            Self.plain.replacing(
                "poll: {path: \"/v1/tasks/{id}\"",
                with: "poll: {method: POST, path: /q, query: {t: \"{id}\"}, body: {ids: [\"{id}\"], n: 1}"))
        let sent = try profile.dialect.lookup(id)
        #expect(sent.method == "POST" && sent.path == "/q?t=t-1")
        #expect(String(decoding: sent.body ?? [], as: UTF8.self) == #"{"ids":["t-1"],"n":1}"#)
    }

    @Test func `an id cannot lead to another route`() throws {
        let profile = try endpoint(Self.plain)
        #expect(try profile.dialect.lookup(#require(RemoteTaskID("a/b?c"))).path == "/v1/tasks/a%2Fb%3Fc")
        #expect(throws: RequestProblem.self) { try profile.dialect.lookup(#require(RemoteTaskID(".."))) }
    }

    // MARK: Addresses that replies name

    private func followed(_ url: String) throws -> String? {
        let profile = try endpoint(
            Self.plain.replacing("{id: /id}", with: "{id: /id, poll_url: /urls/get}"),
            top: "allowed_hosts: [other.example, \"*.p.example\"]")
        return try profile.dialect.lookup(id, pollURL: url).url
    }

    @Test(arguments: [
        "https://api.p.example/x?y=1", "https://api.p.example:443/x", "https://other.example/x",
        "https://eu.p.example/x",
        "https://API.P.EXAMPLE/x",
    ])
    func `an address at an allowed host is followed`(url: String) throws {
        #expect(try followed(url) == url)
    }

    @Test(arguments: [
        "https://evil.example/x", "http://api.p.example/x", "https://api.p.example.evil.example/x",
        "https://p.example/x",
        "https://api.p.example@evil.example/x", "https://api.p.example:444/x", "https://evilp.example/", "/x",
        "https://api.p.example\\@evil.example/", "file:///etc/passwd", "https://", "https:// api.p.example/",
    ])
    func `an address at a foreign host or over another scheme is not`(url: String) throws {
        // Asked at the path of the definition instead, where it has one …
        #expect(try followed(url) == nil)
        // … and not at all where it has none.
        let profile = try endpoint(
            """
                submit: {path: "/v1/make"}
                accepted: {id: /id, poll_url: /u}
                poll: {id: /id}
            \(Self.rest)
            """)
        let error = #expect(throws: RequestProblem.self) { try profile.dialect.lookup(id, pollURL: url) }
        #expect(error?.field == "poll_url")
    }

    @Test func `a provider that was moved is talked to at its new place only`() throws {
        let yaml = DeclaredDefinitionTests.valid.replacing("{id: /id}", with: "{id: /id, poll_url: /u}")
        let moved = try ProviderCatalog(definitions: [("p.yaml", yaml)]).moved(to: ["p": "http://127.0.0.1:8090/p"])
        let profile = try #require(moved.endpoints.first)
        #expect(try profile.dialect.lookup(id, pollURL: "http://127.0.0.1:8090/p/x").url != nil)
        let elsewhere = try profile.dialect.lookup(id, pollURL: "https://api.p.example/x")
        #expect(elsewhere.url == nil && elsewhere.path == "/v1/tasks/t-1")
        #expect(moved.provider("p")?.baseURL == "http://127.0.0.1:8090/p")
    }

    // MARK: Submissions

    @Test func `a reply with an id is accepted, with the address it names`() throws {
        let profile = try endpoint(
            Self.plain.replacing("{id: /id}", with: "{id: [/task/id, /id], poll_url: /urls/get}"))
        #expect(
            profile.dialect.readSubmission(
                reply(201, #"{"id":12345678901234567890,"urls":{"get":"https://x.example"}}"#))
                == .accepted(
                    try #require(RemoteTaskID("12345678901234567890")), traceID: nil, pollURL: "https://x.example"))
        guard case .unknown = profile.dialect.readSubmission(reply(200, "{}")) else {
            Issue.record("no id proves nothing"); return
        }
        guard case .unknown = profile.dialect.readSubmission(reply(200, "<html>")) else {
            Issue.record("no JSON proves nothing"); return
        }
    }

    @Test(arguments: ["slow_down", "broke", "bad_input"])
    func `an id is proof, whatever code stands beside it`(code: String) throws {
        let codes = "codes: {throttled: [slow_down], stops_account: [broke], refused: [bad_input]}"
        let profile = try endpoint(Self.plain, top: codes)
        let body = #"{"id":"t-1","status":"bad","error":{"code":"\#(code)"}}"#
        #expect(profile.dialect.readSubmission(reply(200, body)) == .accepted(id, traceID: nil))
        if case .accepted = profile.dialect.readSubmission(reply(400, body)) { Issue.record("a refusal") }
    }

    @Test func `only the provider says that it does not know a task`() throws {
        let profile = try endpoint(Self.plain)
        #expect(profile.dialect.readLookup(reply(404, #"{"error":{"message":"no such task"}}"#), of: id) == .notFound)
        for body in ["<html>no route</html>", "", "\"gone\""] {
            guard case .failed = profile.dialect.readLookup(reply(404, body), of: id) else {
                Issue.record("\(body)"); return
            }
        }
    }

    @Test func `what no rule knows is told apart from what plainly goes on`() throws {
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

    @Test func `a code may say whether it was taken`() throws {
        let profile = try endpoint(
            Self.plain.replacing("{id: /id}", with: "{id: /result, at: /code, words: [1, 21, 22]}")
                + "\n    error: {code: /code, message: /description}",
            top: "codes: {throttled: [23], refused: [24]}")
        #expect(
            profile.dialect.readSubmission(reply(200, #"{"code":22,"result":"t-1"}"#)) == .accepted(id, traceID: nil))
        guard case .throttled = profile.dialect.readSubmission(reply(200, #"{"code":23,"description":"full"}"#)) else {
            Issue.record("23 is later")
            return
        }
        guard
            case .refused(let failure, suspendsProvider: false) = profile.dialect.readSubmission(
                reply(200, #"{"code":24,"description":"banned"}"#))
        else {
            Issue.record("24 is no")
            return
        }
        #expect(failure.message == "banned")
        guard case .unknown = profile.dialect.readSubmission(reply(200, #"{"code":9,"result":"t-1"}"#)) else {
            Issue.record("an unknown code proves nothing")
            return
        }
    }

    @Test(arguments: [
        (400, "refused"), (401, "stops"), (402, "stops"), (403, "refused"), (404, "refused"), (408, "unknown"),
        (422, "refused"), (429, "throttled"), (500, "probably"), (502, "probably"), (504, "unknown"), (300, "unknown"),
        (302, "unknown"), (303, "unknown"), (304, "unknown"), (301, "moved"), (307, "moved"), (308, "moved"),
        (503, "throttled"), (418, "unknown"), (407, "account"), (409, "probably"), (410, "stops"),
    ])
    func `statuses prove what they usually do, and what the definition says`(status: Int, expected: String) throws {
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

    // MARK: What the definition says of codes, texts and waits

    @Test func `a text in a message stops the account and keeps the task, whatever its code says`() throws {
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
        else { Issue.record("other messages keep their meaning"); return }
    }

    @Test func `the longest text decides where several fit`() throws {
        let profile = try endpoint(
            Self.plain, top: "codes: {refused: {text: quota}, stops_account: {text: daily quota}}")
        guard
            case .stopped = profile.dialect.readSubmission(reply(429, #"{"error":{"message":"daily quota is used"}}"#)),
            case .refused(_, suspendsProvider: false) = profile.dialect.readSubmission(
                reply(429, #"{"error":{"message":"size quota"}}"#))
        else { Issue.record("by length"); return }
    }

    @Test func `a moved address is shown without what may be secret in it`() throws {
        let profile = try endpoint(Self.plain + "\n    cancel: {path: \"/v1/{id}\"}")
        let moved = UpstreamReply(
            status: 308, headers: ["location": "https://me:pw@new.example/v2/make?key=secret#x"], body: [])
        guard case .stopped(let failure, .endpoint) = profile.dialect.readSubmission(moved) else {
            Issue.record("not moved"); return
        }
        #expect(failure.code == "moved" && failure.message.contains("https://new.example/v2/make "))
        #expect(!failure.message.contains("pw") && !failure.message.contains("secret"))
        guard case .failed(let query, suspendsProvider: false) = profile.dialect.readLookup(moved, of: id) else {
            Issue.record("a query is not answered"); return
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
    func `a wait may stand in the body of a refusal`(details: String, seconds: Double?) throws {
        let lines = Self.plain + "\n    error: {code: /error/code, wait: {at: /error/details/*/retryDelay}}"
        let body = #"{"error":{"code":"x","details":\#(details)}}"#
        let expected = seconds.map { Duration.seconds(rounding: $0) }
        guard case .throttled(_, let submitted) = try endpoint(lines).dialect.readSubmission(reply(429, body)),
            case .throttled(_, let asked) = try endpoint(lines).dialect.readLookup(reply(429, body), of: id)
        else { Issue.record("not throttled"); return }
        #expect(submitted == expected && asked == expected)
        // Of two waits the longer holds.
        let both = UpstreamReply(status: 429, retryAfter: .seconds(10), body: Array(body.utf8))
        guard case .throttled(_, let longer) = try endpoint(lines).dialect.readSubmission(both) else { return }
        #expect(longer == max(.seconds(10), expected ?? .zero))
    }

    // MARK: Ids in header fields

    @Test func `an id and an address may stand in header fields`() throws {
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
        // Relative to the base URL, and no address at all.
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
        else { Issue.record("an id under a refusal"); return }
    }

    @Test func `a relative address in a body is asked at the base URL's host`() throws {
        let profile = try endpoint(Self.plain.replacing("{id: /id}", with: "{id: /id, poll_url: /u}"))
        #expect(
            profile.dialect.readSubmission(reply(200, #"{"id":"t-1","u":"/q/1"}"#))
                == .accepted(id, traceID: nil, pollURL: "https://api.p.example/q/1"))
    }

    // MARK: Results

    @Test func `the declared places are the results, whatever the names and whatever else is there`() throws {
        let profile = try endpoint(Self.plain.replacing("[/url]", with: "[/sample, /out/*/u, /json/urls/*]"))
        let record: JSONValue = [
            "state": "failed", "status": "odd", "url": "https://x/no.png", "sample": "https://x/1.jpg",
            "out": [["u": "gs://b/2.mp4", "status": "failed"], ["u": "https://x/1.jpg"]],
            "json": #"{"urls":["https://x/3.png"]}"#, "request": ["u": "gs://b/2.mp4"],
        ]
        let results = profile.dialect.results(in: record)
        #expect(results.map(\.value) == ["https://x/1.jpg", "gs://b/2.mp4", "https://x/3.png"])
        #expect(results.map(\.pointer.description) == ["/sample", "/out/0/u", "/json/urls/0"])
        #expect(results.allSatisfy { $0.kind == .url })
        #expect(profile.dialect.results(in: ["url": "https://x/no.png"]) == [])
    }

    @Test func `a file that the provider keeps is a result by its address`() throws {
        let profile = try endpoint(
            Self.plain.replacing("results: [/url]", with: "result: {path: \"/v1/{id}/content\", is_file: true}"))
        let result = try #require(profile.dialect.results(in: ["id": "t-1"]).first)
        #expect(result.kind == .url && result.value == "https://api.p.example/v1/t-1/content")
        #expect(profile.dialect.results(in: ["status": "ok"]) == [])
        #expect(profile.dialect.results(in: ["status": "ok"], of: id) == [result])
        #expect(try endpoint(Self.plain).dialect.results(in: ["id": "t-1"], of: id) == [])
        let named = try endpoint(
            Self.plain.replacing("results: [/url]", with: "result: {url: /file, is_file: true}"))
        #expect(named.dialect.results(in: ["file": "https://x/f"], of: id).map(\.value) == ["https://x/f"])
    }

    @Test func `what a delivery holds is found where the definition says`() throws {
        let profile = try endpoint(
            Self.plain.replacing(
                "/v1/make\"", with: "/v1/make\", callback: {member: hook, results: [/payload/url]}"))
        #expect(profile.dialect.results(in: ["payload": ["url": "https://x/1"]]).map(\.value) == ["https://x/1"])
        #expect(
            profile.dialect.results(in: ["url": "https://x/2", "payload": ["url": "https://x/1"]]).map(\.value)
                == ["https://x/2"])
    }

    @Test func `an observed success carries its results, and no other observation does`() throws {
        let profile = try endpoint(Self.plain)
        for (status, values) in [("ok", ["https://x/1"]), ("bad", []), ("run", []), ("odd", [])] {
            let record: JSONValue = ["id": "t-1", "status": .string(status), "url": "https://x/1"]
            guard case .observed(let polled) = profile.dialect.readLookup(reply(200, record.text), of: id) else {
                Issue.record("\(status)"); return
            }
            let delivered = try #require(profile.dialect.readCallback(record)).1
            for observation in [polled, delivered] {
                #expect(observation.results.map(\.value) == values.map { JSONValue.string($0) }, "\(status)")
            }
        }
    }

    // MARK: States

    @Test func `a word in another case is told, and one that another rule lists is left to it`() throws {
        func seen(_ rules: String, _ word: String) throws -> Observation {
            let lines = Self.plain.replacing(
                "state: [{at: /status, pending: [run], succeeded: [ok], failed: [bad]}]", with: "state: \(rules)")
            let read = try endpoint(lines).dialect.readLookup(reply(200, #"{"status":"\#(word)"}"#), of: id)
            guard case .observed(let observation) = read else { throw Unread() }
            return observation
        }
        let plain = "[{at: /status, pending: [run], succeeded: [ok], failed: [bad]}, {means: pending}]"
        #expect(try seen(plain, "Ok").respelledWord == "Ok" && seen(plain, "Ok").unrecognisedShape == nil)
        #expect(try seen(plain, "ok").respelledWord == nil)
        #expect(try seen(plain, "RUN").verdict == .pending && seen(plain, "RUN").unrecognisedShape == nil)
        let split =
            "[{at: /status, pending: [run], failed: [DONE]}, {at: /status, succeeded: [done], partial: [Ok, OK], failed: [ok]}]"
        #expect(try seen(split, "done").verdict == .succeeded(partial: false))
        // Two meanings that differ by case only are never mixed up.
        let mixed = try seen(split, "oK")
        #expect(mixed.verdict == .pending && mixed.unrecognisedShape?.hasPrefix("/status=\"oK\" in ") == true)
    }

    private struct Unread: Error {}

    @Test func `false is not there`() throws {
        let rules = "[{present: /error, means: failed}, {at: /status, pending: [run], succeeded: [ok]}]"
        for nothing in ["null", "false", #""""#, "[]", "{}"] {
            #expect(try state(rules, "{\"error\":\(nothing),\"status\":\"ok\"}") == .succeeded(partial: false))
        }
        for something in ["true", "0", #"" ""#, "[0]", #"{"a":null}"#] {
            #expect(try isFailed(state(rules, "{\"error\":\(something),\"status\":\"ok\"}")), "\(something)")
        }
    }

    @Test func `an end without a result has a code of ours, and the provider's words if it has any`() throws {
        let rules = "[{present: /url, means: succeeded}, {at: /done, pending: [\"false\"], no_result: [\"true\"]}]"
        guard case .failed(let failure) = try state(rules, #"{"done":true}"#),
            case .failed(let told) = try state(rules, #"{"done":true,"error":{"message":"m"}}"#)
        else { Issue.record("not ended"); return }
        #expect(failure.code == "no_result" && told.code == "no_result" && told.message == "m")
        #expect(try state(rules, #"{"done":true,"url":"u"}"#) == .succeeded(partial: false))
        #expect(try state(rules, #"{"done":false}"#) == .pending)
        #expect(
            try isFailed(
                state(
                    "[{at: /s, pending: [a], succeeded: [b], failed: [c]}, {http_status: [200], means: no_result}]",
                    "{}")))
    }

    @Test func `a word in another case is the same word, and an unknown one keeps the task running`() throws {
        let rules = "[{at: /status, pending: [run], succeeded: [ok], failed: [bad]}]"
        #expect(try state(rules, #"{"status":"ok"}"#) == .succeeded(partial: false))
        #expect(try isFailed(state(rules, #"{"status":"bad"}"#)))
        #expect(try state(rules, #"{"status":"OK"}"#) == .succeeded(partial: false))
        #expect(try isFailed(state(rules, #"{"status":"Bad"}"#)))
        for word in [#""run""#, #""unheard""#, "null", "1", "{}", "[\"ok\"]"] {
            #expect(try state(rules, "{\"status\":\(word)}") == .pending)
        }
    }

    @Test func `Booleans, numbers, presence and statuses tell it too`() throws {
        let flag = "[{present: /error, means: failed}, {at: /done, pending: [\"false\"], succeeded: [\"true\"]}]"
        #expect(try state(flag, #"{"done":false}"#) == .pending)
        #expect(try state(flag, #"{"done":true}"#) == .succeeded(partial: false))
        #expect(try isFailed(state(flag, #"{"done":true,"error":{"code":7}}"#)))
        let number = "[{at: /code, pending: [1], succeeded: [2], failed: [3]}]"
        #expect(try state(number, #"{"code":2}"#) == .succeeded(partial: false))
        let status =
            "[{http_status: [202], means: pending}, {http_status: [200], means: succeeded}, {http_status: [410], means: failed}]"
        #expect(try state(status, "", status: 202) == .pending)
        #expect(try state(status, "{}", status: 200) == .succeeded(partial: false))
        #expect(try isFailed(state(status, "{}", status: 410)))
        let absence =
            "[{absent: [/result, /error], means: pending}, {present: /error, means: failed}, {present: /result, means: succeeded}]"
        #expect(try state(absence, #"{"result":[]}"#) == .pending)
        #expect(try state(absence, #"{"result":["u"]}"#) == .succeeded(partial: false))
    }

    @Test func `a list has ended when all of it has`() throws {
        let rules = "[{at: /songs/*/state, pending: [run], succeeded: [ok], failed: [bad]}]"
        func songs(_ states: String...) throws -> Observation.Verdict? {
            try state(rules, "{\"songs\":[\(states.map { "{\"state\":\"\($0)\"}" }.joined(separator: ","))]}")
        }
        #expect(try songs("ok", "run") == .pending)
        #expect(try songs("ok", "what") == .pending)
        #expect(try songs("ok", "ok") == .succeeded(partial: false))
        #expect(try songs("ok", "bad") == .succeeded(partial: true))
        #expect(try isFailed(songs("bad", "bad")))
        #expect(try songs() == .pending)
    }

    @Test func `progress may be a percentage, a fraction or a text`() throws {
        for (place, body) in [
            ("{at: /p}", #"{"p":35}"#), ("{at: /p}", #"{"p":"35%"}"#), ("{at: /p, scale: fraction}", #"{"p":0.35}"#),
        ] {
            let profile = try endpoint(Self.plain + "\n    progress: \(place)")
            guard case .observed(let observation) = profile.dialect.readLookup(reply(200, body), of: id) else {
                Issue.record("unread"); return
            }
            #expect(observation.progress == 35)
        }
    }

    @Test func `a query that fails says nothing about its task`() throws {
        let profile = try endpoint(Self.plain)
        #expect(profile.dialect.readLookup(reply(404, "{}"), of: id) == .notFound)
        guard case .throttled = profile.dialect.readLookup(reply(429, ""), of: id) else { Issue.record("429"); return }
        guard case .failed(_, suspendsProvider: true) = profile.dialect.readLookup(reply(401, "{}"), of: id) else {
            Issue.record("401"); return
        }
        for (status, body) in [(500, #"{"status":"bad"}"#), (200, "<html>"), (200, #"{"id":"other","status":"ok"}"#)] {
            guard case .failed(_, suspendsProvider: false) = profile.dialect.readLookup(reply(status, body), of: id)
            else {
                Issue.record("\(status) \(body)")
                return
            }
        }
    }

    // MARK: Batches, lists and results

    @Test func `a batch is matched by id`() throws {
        let profile = try endpoint(
            Self.plain + "\n    batch: {size: 2, path: /many, body: {ids: \"{ids}\"}, items: /items, id: /id}")
        let other = try #require(RemoteTaskID("t-2"))
        let request = try #require(profile.batching?.lookup([id, other]))
        #expect(String(decoding: request.body ?? [], as: UTF8.self) == #"{"ids":["t-1","t-2"]}"#)
        let body = #"{"items":[{"id":"t-9","status":"ok"},{"id":"t-2","status":"ok"},{"id":"t-1","status":"run"}]}"#
        guard case .observed(let found) = profile.batching?.read(reply(200, body), of: [id, other]) else {
            Issue.record("unread"); return
        }
        #expect(found.mapValues(\.verdict) == [id: .pending, other: .succeeded(partial: false)])
    }

    @Test func `a list of a span of time is asked for in the provider's units`() throws {
        let list =
            "list: {path: /list, query: {after: \"{from}\", n: \"{limit}\"}, time: milliseconds, items: /data, id: /id, created_at: /at, request: /input}"
        let profile = try endpoint(Self.plain + "\n    \(list)")
        #expect(profile.listing != nil && !profile.needsPersonWhenUncertain)
        let from = Timestamp(milliseconds: 1_700_000_000_900)
        #expect(
            profile.listing?.page(from: from, to: from, offset: 0, limit: 5)?.path == "/list?after=1700000000000&n=5")
        let body = #"{"data":[{"id":"t-1","at":1700000000000,"input":{"a":1}}]}"#
        #expect(
            profile.listing?.read(reply(200, body))
                == .page(
                    [
                        ListedTask(
                            remoteID: id, createdAt: Timestamp(milliseconds: 1_700_000_000_000), request: ["a": 1])
                    ]))
        #expect(profile.listing?.isWhole == false)
        #expect(try endpoint(Self.plain + "\n    \(list.dropLast()), whole: true}").listing?.isWhole == true)
    }

    @Test func `a result that stands elsewhere is fetched, and its failure is not the task's`() throws {
        let profile = try endpoint(Self.plain + "\n    result: {url: /response_url, failed_statuses: [422]}")
        let done = Observation(.succeeded(partial: false), record: ["response_url": "https://api.p.example/r"])
        #expect(try profile.resultFetching?.request(of: id, record: done.record).url == "https://api.p.example/r")
        guard case .observed(let read) = profile.resultFetching?.read(reply(200, #"{"url":"u"}"#), of: id, after: done)
        else {
            Issue.record("unread"); return
        }
        #expect(read.verdict == .succeeded(partial: false) && read.record == ["url": "u"])
        #expect(read.results.map(\.value) == ["u"])
        guard case .failed = profile.resultFetching?.read(reply(500, ""), of: id, after: done) else {
            Issue.record("500"); return
        }
        guard case .failed = profile.resultFetching?.read(reply(200, "<html>"), of: id, after: done) else {
            Issue.record("html"); return
        }
        guard
            case .observed(let failed) = profile.resultFetching?.read(
                reply(422, #"{"error":{"code":"c"}}"#), of: id, after: done)
        else {
            Issue.record("422")
            return
        }
        #expect(isFailed(failed.verdict))
        // A gateway's page and an empty object under the same status are not the provider's word.
        let server = try endpoint(Self.plain + "\n    result: {url: /response_url, failed_statuses: [500]}")
        guard
            case .failed = server.resultFetching?.read(
                reply(500, #"{"error":{"message":"Internal Server Error"}}"#), of: id, after: done)
        else { Issue.record("a framework's words"); return }
        guard
            case .observed = server.resultFetching?.read(reply(500, #"{"error":{"code":"oom"}}"#), of: id, after: done)
        else {
            Issue.record("the provider's word")
            return
        }
        for body in ["<html>", "{}", ""] {
            guard case .failed = profile.resultFetching?.read(reply(422, body), of: id, after: done) else {
                Issue.record("\(body)"); return
            }
        }
        #expect(throws: RequestProblem.self) {
            try profile.resultFetching?.request(of: id, record: ["response_url": "https://evil.example/r"])
        }
    }

    @Test func `a task is ended at the provider by the call that it has for that`() throws {
        let profile = try endpoint(Self.plain + "\n    cancel: {method: PUT, path: \"/v1/{id}/cancel\"}")
        #expect(
            try profile.dialect.cancelling?.cancellation(of: id, record: nil)
                == UpstreamRequest(method: "PUT", path: "/v1/t-1/cancel"))
        #expect(try endpoint(Self.plain).dialect.cancelling == nil)
    }

    @Test func `a task is ended at the provider only in the states in which it takes that`() throws {
        let profile = try endpoint(
            Self.plain + "\n    cancel: {path: \"/v1/{id}\", while: {at: /status, words: [queued]}}")
        #expect(try profile.dialect.cancelling?.cancellation(of: id, record: ["status": "queued"]) != nil)
        #expect(try profile.dialect.cancelling?.cancellation(of: id, record: ["status": "run"]) == nil)
        // Nothing known of its state is no reason not to try.
        #expect(try profile.dialect.cancelling?.cancellation(of: id, record: [:]) != nil)
        #expect(try profile.dialect.cancelling?.cancellation(of: id, record: nil) != nil)
    }
}
