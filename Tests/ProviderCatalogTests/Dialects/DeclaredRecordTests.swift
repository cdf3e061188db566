import ProviderCatalog
import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

/// Tests how declared endpoints read records, their states and results.
@Suite struct DeclaredRecordTests: DeclaredDialectFixture {
    // MARK: Results

    @Test func `results are read from the declared pointers only`() throws {
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

    @Test func `a file at the provider is a result with its URL`() throws {
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

    @Test func `results of a callback are read from the pointers declared for it`() throws {
        let profile = try endpoint(
            Self.plain.replacing(
                "/v1/make\"", with: "/v1/make\", callback: {member: hook, results: [/payload/url]}"))
        #expect(profile.dialect.results(in: ["payload": ["url": "https://x/1"]]).map(\.value) == ["https://x/1"])
        #expect(
            profile.dialect.results(in: ["url": "https://x/2", "payload": ["url": "https://x/1"]]).map(\.value)
                == ["https://x/2"])
    }

    @Test func `only the observation of a success has results`() throws {
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

    @Test func `a status word in another case is reported, unless two rules list it with different meanings`() throws {
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
        // A word that matches two meanings without regard to case is unrecognised.
        let mixed = try seen(split, "oK")
        #expect(mixed.verdict == .pending && mixed.unrecognisedShape?.hasPrefix("/status=\"oK\" in ") == true)
    }

    private struct Unread: Error {}

    @Test func `a declared member that is false counts as missing`() throws {
        let rules = "[{present: /error, means: failed}, {at: /status, pending: [run], succeeded: [ok]}]"
        for nothing in ["null", "false", #""""#, "[]", "{}"] {
            #expect(try state(rules, "{\"error\":\(nothing),\"status\":\"ok\"}") == .succeeded(partial: false))
        }
        for something in ["true", "0", #"" ""#, "[0]", #"{"a":null}"#] {
            #expect(try isFailed(state(rules, "{\"error\":\(something),\"status\":\"ok\"}")), "\(something)")
        }
    }

    @Test func `an end without a result fails with no_result and the provider's message`() throws {
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

    @Test func `a status word matches without regard to case, and an unknown one means pending`() throws {
        let rules = "[{at: /status, pending: [run], succeeded: [ok], failed: [bad]}]"
        #expect(try state(rules, #"{"status":"ok"}"#) == .succeeded(partial: false))
        #expect(try isFailed(state(rules, #"{"status":"bad"}"#)))
        #expect(try state(rules, #"{"status":"OK"}"#) == .succeeded(partial: false))
        #expect(try isFailed(state(rules, #"{"status":"Bad"}"#)))
        for word in [#""run""#, #""unheard""#, "null", "1", "{}", "[\"ok\"]"] {
            #expect(try state(rules, "{\"status\":\(word)}") == .pending)
        }
    }

    @Test func `a state can follow from Booleans, numbers, presence of members and HTTP statuses`() throws {
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

    @Test func `a list of parts has ended when every part has`() throws {
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
}
