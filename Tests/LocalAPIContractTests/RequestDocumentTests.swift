import LocalAPIContract
import Testing
import VerbatimJSON

@Suite struct RequestDocumentTests {
    @Test func `a written submission is read unchanged, including digits and member order of the request`() throws {
        let text =
            #"{"endpoint":"suno/audios","request":{"seed":12345678901234567890,"cfg":1.0,"a":null},"#
            + #""idempotency_key":"k-1","labels":{"a":"1","b":"2"},"priority":-5,"#
            + #""not_before":"2026-11-23T14:00:00Z","deadline":"2026-11-24T14:00:00Z","on_uncertain":"fail"}"#
        let document = try SubmitDocument(json: JSONValue(parsing: text))
        #expect(document.json.text == text)
        #expect(try SubmitDocument(json: document.json) == document)
    }

    @Test func `a minimal submission has no other members, and null means absent`() throws {
        let text = #"{"endpoint":"a/b","request":{},"labels":null,"priority":null,"deadline":null}"#
        let document = try SubmitDocument(json: JSONValue(parsing: text))
        #expect(document.json.text == #"{"endpoint":"a/b","request":{}}"#)
    }

    @Test func `an unknown field is refused with the nearest known one`() throws {
        let json: JSONValue = ["endpoint": "a/b", "request": [:] as JSONValue, "dedline": "x"]
        let error = #expect(throws: ContractError.self) { try SubmitDocument(json: json) }
        #expect(error == .unknownField("dedline", nearest: "deadline"))
        #expect(error?.message == "There is no field `dedline`; did you mean `deadline`?")
        #expect(error?.problem.json["nearest"] == ["deadline"])
        #expect(error?.problem.json["fields"] == ["dedline"])
        #expect(error?.problem.status == 422)
    }

    @Test(
        arguments: [
            (#"[]"#, nil), (#"{"request":{}}"#, "endpoint"), (#"{"endpoint":"","request":{}}"#, "endpoint"),
            (#"{"endpoint":7,"request":{}}"#, "endpoint"), (#"{"endpoint":"a/b"}"#, "request"),
            (#"{"endpoint":"a/b","request":[]}"#, "request"),
            (#"{"endpoint":"a/b","request":{},"labels":{"a":1}}"#, "labels.a"),
            (#"{"endpoint":"a/b","request":{},"labels":{"":"x"}}"#, "labels"),
            (#"{"endpoint":"a/b","request":{},"labels":[]}"#, "labels"),
            (#"{"endpoint":"a/b","request":{},"priority":1.5}"#, "priority"),
            (#"{"endpoint":"a/b","request":{},"priority":1001}"#, "priority"),
            (#"{"endpoint":"a/b","request":{},"priority":1e300}"#, "priority"),
            (#"{"endpoint":"a/b","request":{},"priority":"1"}"#, "priority"),
            (#"{"endpoint":"a/b","request":{},"idempotency_key":""}"#, "idempotency_key"),
            (#"{"endpoint":"a/b","request":{},"idempotency_key":"a b"}"#, "idempotency_key"),
            (#"{"endpoint":"a/b","request":{},"idempotency_key":"é"}"#, "idempotency_key"),
            (#"{"endpoint":"a/b","request":{},"not_before":5}"#, "not_before"),
            (#"{"endpoint":"a/b","request":{},"on_uncertain":"maybe"}"#, "on_uncertain"),
        ] as [(String, String?)])
    func `an invalid value is refused, and the error names the field`(text: String, field: String?) throws {
        let error = #expect(throws: ContractError.self) { try SubmitDocument(json: JSONValue(parsing: text)) }
        #expect(error?.field == field)
        #expect(error?.message.hasSuffix(".") == true)
    }

    @Test func `values at the limits are accepted, and values beyond them refused`() throws {
        let name = String(repeating: "n", count: 64)
        let value = String(repeating: "😀", count: 256)
        let key = String(repeating: "k", count: 255)
        var document = SubmitDocument(endpoint: "a/b", request: [:], idempotencyKey: key)
        document.labels = [name: value]
        document.priority = 1000
        #expect(try SubmitDocument(json: document.json) == document)

        document.idempotencyKey = key + "k"
        #expect(throws: ContractError.self) { try SubmitDocument(json: document.json) }
        document.idempotencyKey = nil
        document.labels = [name + "n": ""]
        #expect(throws: ContractError.self) { try SubmitDocument(json: document.json) }
        document.labels = [name: value + "x"]
        #expect(throws: ContractError.self) { try SubmitDocument(json: document.json) }
        document.labels = Dictionary(uniqueKeysWithValues: (0..<64).map { ("\($0)", "") })
        #expect(throws: Never.self) { try SubmitDocument(json: document.json) }
        document.labels["64"] = ""
        #expect(throws: ContractError.self) { try SubmitDocument(json: document.json) }
    }

    @Test func `a written adoption is read unchanged`() throws {
        var document = AdoptDocument(endpoint: "veo/videos", remoteID: "task_1")
        document.labels = ["a": "b"]
        document.priority = 3
        document.deadline = "2026-11-24T14:00:00Z"
        #expect(try AdoptDocument(json: document.json) == document)
        #expect(throws: ContractError.missingField("remote_id")) { try AdoptDocument(json: ["endpoint": "a/b"]) }
        #expect(throws: ContractError.unknownField("request", nearest: nil)) {
            try AdoptDocument(json: ["endpoint": "a/b", "remote_id": "x", "request": [:] as JSONValue])
        }
    }

    @Test func `only the resolution "adopt" has a remote id, and requires one`() throws {
        for document in [ResolveDocument.adopt(remoteID: "x"), .adopt(remoteID: "x", account: "b"), .resubmit, .giveUp]
        {
            #expect(try ResolveDocument(json: document.json) == document)
        }
        #expect(throws: ContractError.missingField("remote_id")) { try ResolveDocument(json: ["as": "adopt"]) }
        #expect(throws: ContractError.self) { try ResolveDocument(json: ["as": "give_up", "remote_id": "x"]) }
        #expect(throws: ContractError.self) { try ResolveDocument(json: ["as": "resubmit", "account": "b"]) }
        #expect(throws: ContractError.self) { try ResolveDocument(json: ["as": "retry"]) }
        #expect(throws: ContractError.missingField("as")) { try ResolveDocument(json: [:]) }
    }

    @Test func `missing members of a submission are filled from the defaults`() throws {
        var defaults = SubmitDocument(endpoint: "", request: [:], idempotencyKey: "theirs")
        defaults.labels = ["a": "1", "b": "1"]
        defaults.priority = 7
        defaults.deadline = "+2h"
        var document = SubmitDocument(endpoint: "a/b", request: ["n": 1], idempotencyKey: "own")
        document.labels = ["b": "2"]
        document.priority = 0
        let text = try document.filled(from: defaults).json.text
        #expect(
            text == #"{"endpoint":"a/b","request":{"n":1},"idempotency_key":"own","labels":{"a":"1","b":"2"},"#
                + #""priority":0,"deadline":"+2h"}"#)
    }

    @Test func `a note has at most 200 characters and no control characters`() throws {
        var document = SubmitDocument(endpoint: "a/b", request: [:])
        document.note = String(repeating: "😀", count: 200)
        #expect(try SubmitDocument(json: document.json) == document)
        document.note = String(repeating: "n", count: 201)
        let error = #expect(throws: ContractError.self) { try SubmitDocument(json: document.json) }
        #expect(error?.message == "`note` may have at most 200 characters, not 201.")
        for text in ["a\u{0}b", "a\nb", "\u{7f}"] {
            document.note = text
            #expect(throws: ContractError.self) { try SubmitDocument(json: document.json) }
        }
    }
}
