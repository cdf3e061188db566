import LocalAPIContract
import Testing
import VerbatimJSON

@testable import pollux

@Suite struct ResultLinesTests {
    @Test func `a URL or an id takes one line, a text keeps its line breaks`() {
        let results = [
            TaskDocument.Result(kind: "url", pointer: "/data/0/url", value: "https://x/a.mp3", mediaType: "audio/mpeg"),
            TaskDocument.Result(kind: "id", pointer: "/data/asset_id", value: 317_383_895_242_880),
            TaskDocument.Result(kind: "text", pointer: "/data/text", value: "one\ntwo\u{1b}[31m"),
        ]
        #expect(
            ResultLines(results: results).lines == ["https://x/a.mp3", "317383895242880", "one", "two [31m"])
    }

    @Test func `inline data is described, with a command that extracts it`() {
        let data = TaskDocument.Result(
            kind: "data", pointer: "/data/0/b64_json", value: .null, mediaType: "image/png", sizeBytes: 51_234)
        let line = ResultLines(results: [data]).lines.joined()
        #expect(line.contains("image/png, 51234 bytes"))
        #expect(line.contains("jq -r '.[\"data\"][0][\"b64_json\"]' | base64 -d"))
    }

    @Test(
        arguments: [
            (["data", "0", "b64"], ["data": [["b64": "x"]]], #".["data"][0]["b64"]"#),
            (["data", "0"], ["data": ["0": "x"]], #".["data"]["0"]"#),
            (["it's", "a/b~c"], ["it's": ["a/b~c": "x"]], #".["it's"]["a/b~c"]"#),
            (["\\(input)", "\"]; rm"], ["\\(input)": ["\"]; rm": "x"]], #".["\\(input)"]["\"]; rm"]"#),
            (["$(id)", "`id`"], ["$(id)": ["`id`": "x"]], #".["$(id)"]["`id`"]"#),
            (
                ["ü\u{1b}\u{9b}\u{202e}😀"], ["ü\u{1b}\u{9b}\u{202e}😀": "x"],
                #".["\u00fc\u001b\u009b\u202e\ud83d\ude00"]"#
            ),
        ] as [([String], JSONValue, String)])
    func `the jq path to inline data is quoted for the shell, with any member names`(
        tokens: [String], record: JSONValue, path: String
    ) {
        let pointer = JSONPointer(tokens: tokens)
        let result = TaskDocument.Result(
            kind: "data", pointer: pointer.description, value: .null, mediaType: "image/png")
        let line = ResultLines(results: [result], record: record).lines.joined()
        let quoted = "'" + path.replacing("'", with: #"'\''"#) + "'"
        #expect(line.hasSuffix("| jq -r \(quoted) | base64 -d)"), "\(line)")
    }

    @Test func `printed documents contain no control characters`() throws {
        let value: JSONValue = ["a\u{9b}": "\u{7f}\u{80}x\u{85}\u{9f}\u{a0}é😀\u{1b}"]
        for text in [value.printableText, value.printablePrettyText] {
            #expect(!text.unicodeScalars.contains { (0x7f...0x9f).contains($0.value) })
            #expect(try JSONValue(parsing: text) == value)
        }
        #expect(value.printableText == #"{"a\u009b":"\u007f\u0080x\u0085\u009f\#u{a0}é😀\u001b"}"#)
    }

    @Test func `a card shows each result on its own line, or the whole record if there are none`() {
        var task = TaskDocument.task(state: "succeeded")
        task.response = ["url": "https://x/a.mp3"]
        task.results = [.init(kind: "url", pointer: "/url", value: "https://x/a.mp3")]
        #expect(
            TaskCard(task: task, now: noon).lines(on: .terminal(width: 20)).suffix(2) == ["results", "https://x/a.mp3"])
        task.response = ["text": "hello"]
        task.results = []
        #expect(TaskCard(task: task, now: noon).lines(on: .plain(now: noon)).contains(#"    "text": "hello""#))
    }

    @Test func `a card says that a result is missing only if the task succeeded`() {
        var task = TaskDocument.task(state: "succeeded")
        task.response = ["status": "ok"]
        let card = TaskCard(task: task, now: noon).lines(on: .plain(now: noon))
        #expect(
            card.contains { $0.contains("reports success without a result") } && card.contains(#"    "status": "ok""#))
        #expect(WaitOutcome.lines(for: [task], on: .plain(now: noon)).contains { $0.contains("without a result") })
        var failed = TaskDocument.task(state: "failed")
        failed.response = ["status": "bad"]
        #expect(
            !TaskCard(task: failed, now: noon).lines(on: .plain(now: noon)).contains { $0.contains("without a result") }
        )
        #expect(WaitOutcome.lines(for: [failed], on: .plain(now: noon)).count == 1)
    }

    @Test func `the card of an uncertain task shows the resolve command`() {
        let lines = TaskCard(task: .task(state: "uncertain"), now: noon).lines(on: .plain(now: noon))
        #expect(lines.contains { $0.contains("pollux resolve") && $0.contains("--give-up") })
    }

    @Test func `a note takes one line of the card`() {
        var task = TaskDocument.task()
        task.note = "for the night's run\u{1b}[2J"
        let card = TaskCard(task: task, now: noon).lines(on: .plain(now: noon))
        #expect(card.contains { $0.hasPrefix("  note ") && $0.hasSuffix("  for the night's run [2J") })
    }
}
