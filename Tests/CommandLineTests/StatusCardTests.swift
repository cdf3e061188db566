import LocalAPIContract
import Testing

@testable import pollux

@Suite struct StatusCardTests {
    private func lines(_ change: (inout StatusDocument.Artefacts) -> Void = { _ in }) -> [String] {
        var status = StatusDocument()
        status.version = "1.2.3"
        var files = StatusDocument.Artefacts()
        files.directory = "/state/artefacts"
        files.usedBytes = 1_500_000
        files.quotaBytes = 20_000_000_000
        change(&files)
        status.artefacts = files
        return StatusCard(status: status).lines(on: .plain(now: noon))
    }

    @Test func `the status shows how much room the files of results take`() {
        let text = lines().joined(separator: "\n")
        #expect(text.contains("/state/artefacts (1.5 MB of 20.0 GB)") && !text.contains("to be fetched"), "\(text)")
        #expect(lines { $0.waiting = 3 }.joined().contains(", 3 to be fetched"))
        #expect(lines { $0.usedBytes = nil }.joined().contains("an unknown size of 20.0 GB"))
    }

    @Test func `results that wait for room come first, with what to set`() throws {
        let first = try #require(lines { ($0.waiting, $0.withoutRoom) = (3, 2) }.dropFirst().first)
        #expect(first.contains("2 wait for room") && first.contains("artefacts.quota"), "\(first)")
        #expect(!lines { $0.waiting = 3 }.joined().contains("wait for room"))
    }
}
