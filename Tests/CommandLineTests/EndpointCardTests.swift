import LocalAPIContract
import Testing
import VerbatimJSON

@testable import pollux

@Suite struct EndpointCardTests {
    private func lines(_ change: (inout EndpointDocument) -> Void = { _ in }) -> [String] {
        var endpoint = EndpointDocument(name: "kling/videos", provider: "xhuoapi")
        endpoint.kind = "video"
        endpoint.batchSize = 50
        endpoint.listing = "vendor_code"
        endpoint.example = ["action": "text2video", "prompt": "it's a fox", "n": 2]
        endpoint.maxInFlight = 5
        endpoint.submitsPerSecond = 0.5
        endpoint.typicalSeconds = 240
        change(&endpoint)
        return EndpointCard(endpoint: endpoint, now: noon).lines(on: .plain(now: noon))
    }

    @Test func `the example is a command that runs when pasted`() throws {
        let command = try #require(lines().last)
        #expect(
            command == #"  pollux submit kling/videos -d action=text2video -d 'prompt=it'\''s a fox' -d n:=2"#)
        #expect(lines { $0.example = .null }.last?.contains("--json-body @request.json") == true)
    }

    @Test func `the card describes limits, durations and how lost replies are found`() {
        let text = lines().joined(separator: "\n")
        #expect(text.contains("5 tasks in flight, one submission every 2s"))
        #expect(text.contains("about 4m 00s by the definition"))
        #expect(text.contains("up to 50 tasks per status query"))
        #expect(text.contains("known from vendor clients"))
        #expect(lines { $0.listing = "none" }.joined().contains("a person decides"))
        #expect(
            lines { $0.learned = .init(p50Seconds: 61, p90Seconds: 130, samples: 12) }.joined()
                .contains("50 % within 1m 01s, 90 % within 2m 10s (learned from the latest 12 tasks)"))
    }

    @Test func `the card shows errors and unrecognised records only if there are any`() {
        #expect(!lines().joined().contains("unrecognised"))
        let text = lines {
            $0.state = "backing_off"
            $0.until = noon.ahead(90)
            $0.lastError = .init(code: "busy", message: "later", at: noon.ago(120))
            $0.unrecognised = .init(count: 3, lastShape: "{phase}", lastAt: noon.ago(60))
        }.joined(separator: "\n")
        #expect(text.contains("in 1m"))
        #expect(text.contains("2m ago: busy: later"))
        #expect(text.contains("3 records since the start, the last 1m ago: {phase}"))
    }
}
