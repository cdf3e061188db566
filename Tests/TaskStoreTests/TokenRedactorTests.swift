import TaskModel
import TaskTesting
import Testing
import VerbatimJSON

@testable import TaskStore

@Suite struct TokenRedactorTests {
    @Test func `every token in a text is redacted, and nothing else changes`() throws {
        let token = String(repeating: "aB3-_", count: 8) + "xyz"
        for (text, expected) in [
            ("https://a.example/callbacks/\(token)", "https://a.example/callbacks/(token)"),
            ("{\"u\":\"https:\\/\\/a\\/callbacks\\/\(token)\"}", "{\"u\":\"https:\\/\\/a\\/callbacks\\/(token)\"}"),
            ("x /callbacks/\(token), y /callbacks/\(token)?z", "x /callbacks/(token), y /callbacks/(token)?z"),
            ("https://a.example/callbacks/\(token)A", nil), ("https://a.example/callbacks/short", nil),
            ("/callbacks", nil), ("/callbacks/", nil), (token, nil), ("", nil),
            (String(repeating: "/callbacks", count: 9), nil),
        ] as [(String, String?)] {
            #expect(TokenRedactor.redacted(text) == expected)
        }
        let value: JSONValue = ["a": [1, .null, .string("/callbacks/" + token)], "b": "c"]
        #expect(TokenRedactor.redacted(value) == ["a": [1, .null, "/callbacks/(token)"], "b": "c"])
        #expect(TokenRedactor.redacted(["b": ["c", 1, true]] as JSONValue) == nil)
    }

    @Test func `a token in a result is redacted`() throws {
        let address = "https://a.example/callbacks/"
        var seen = Observation(.succeeded(partial: false), record: [:])
        seen.results = [
            TaskResult(
                kind: .url, pointer: JSONPointer(tokens: ["u"]),
                value: .string(address + String(repeating: "x", count: 43)))
        ]
        let event = ScheduledEvent(.observed(seen), for: TrackedTask.task(1).id, nextDueAt: nil).redacted.event
        guard case .observed(let kept) = event else { return #expect(Bool(false), "\(event)") }
        #expect(kept.results.map(\.value) == [.string(address + "(token)")])
    }
}
