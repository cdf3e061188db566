import Foundation
import Testing

@testable import Daemon

/// Tests the output of `pollux providers check` for the README's example.
@Suite struct DefinitionCheckTests {
    /// The first YAML block of the README's section.
    private func example() throws -> String {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
        let section = try #require(readme.components(separatedBy: "## Add your own provider\n").dropFirst().first)
        let block = try #require(section.components(separatedBy: "```yaml\n").dropFirst().first)
        return try #require(block.components(separatedBy: "```").first)
    }

    private func explain(_ reply: String, status: Int = 200) throws -> [String] {
        let base = "/tmp/pollux-check-\(UInt32.random(in: .min ... .max))"
        defer { for name in ["yaml", "json"] { try? FileManager.default.removeItem(atPath: "\(base).\(name)") } }
        try Data(try example().utf8).write(to: URL(filePath: base + ".yaml"))
        try Data(reply.utf8).write(to: URL(filePath: base + ".json"))
        let check = try DefinitionCheck(file: base + ".yaml")
        #expect(
            check.summary.first?.contains("provider mjproxy at http://127.0.0.1:8080, token from MJPROXY_TOKEN") == true
        )
        #expect(check.summary.contains { $0.contains("mjproxy:imagine") })
        #expect(check.summary.contains { $0.contains("waits for a person") })
        return try check.explanation(of: base + ".json", endpoint: nil, status: status, withRule: true)
    }

    @Test func `the README's example reads a running, a finished and a failed task`() throws {
        let running = try explain(
            #"{"id":"7","status":"IN_PROGRESS","progress":"35%","imageUrl":"https://x.example/preview.png"}"#)
        #expect(running.contains("as a status:      running") && running.contains("progress:         35.0 %"))
        let done = try explain(#"{"id":"7","status":"SUCCESS","progress":"100%","imageUrl":"https://x.example/a.png"}"#)
        #expect(done.contains("as a status:      succeeded"))
        #expect(done.contains { $0.contains("by:") && $0.contains(": /status says \"SUCCESS\"") }, "\(done)")
        #expect(done.contains("result /imageUrl: \"https://x.example/a.png\""))
        // Previews and other members are not results.
        #expect(!running.contains { $0.hasPrefix("result") })
        let empty = try explain(#"{"id":"7","status":"success","other":"https://x.example/b.png"}"#)
        #expect(empty.contains { $0.hasPrefix("no result:") } && empty.contains { $0.contains("in another case") })
        let failed = try explain(#"{"id":"7","status":"FAILURE","failReason":"timeout"}"#)
        #expect(failed.contains("as a status:      failed: provider_failed: timeout"))
    }

    @Test func `the README's example reads the reply to a submission`() throws {
        #expect(
            try explain(#"{"code":22,"description":"queued","result":"7"}"#).contains("as a submission:  accepted as 7")
        )
        #expect(
            try explain(#"{"code":23,"description":"full"}"#).contains(
                "as a submission:  not accepted now, perhaps later: 23: full"))
        #expect(try explain(#"{"code":24,"description":"banned"}"#).contains("as a submission:  refused: 24: banned"))
        #expect(try explain("<html>", status: 502).contains { $0.hasPrefix("as a submission:  proves nothing") })
    }

    @Test func `an unrecognised shape is reported`() throws {
        let lines = try explain(#"{"id":"7","status":"WHAT"}"#)
        #expect(lines.contains("as a status:      running"))
        #expect(lines.contains { $0.contains("none applies") })
    }

    @Test func `an unreadable file is reported`() {
        let error = #expect(throws: DaemonError.self) { try DefinitionCheck(file: "/nowhere/x.yaml") }
        #expect(error?.message.contains("/nowhere/x.yaml cannot be read") == true)
    }
}
