import Foundation
import Logging
import ProviderCatalog
import TaskModel
import Testing
import VerbatimJSON

@testable import Daemon

@Suite struct LogLineTests {
    private let at = Timestamp(milliseconds: 1_795_000_000_123)

    @Test func `a line is text or one JSON object`() throws {
        var line = LogLine(at: at, .warning, #"A "quoted" word – ü"#)
        #expect(String(decoding: line.bytes(.text), as: UTF8.self) == "\(at.rfc3339) WARNING A \"quoted\" word – ü\n")
        (line.task, line.endpoint, line.code) = ("t-1", "image/make", "reply_lost")
        let text = String(decoding: line.bytes(.json), as: UTF8.self)
        #expect(text.hasSuffix("\n") && text.dropLast().allSatisfy { $0 != "\n" })
        let object = try #require(JSONValue(parsing: String(text.dropLast())).object)
        #expect(object.names == ["ts", "level", "msg", "task", "endpoint", "code"])
        #expect(object["ts"]?.string == at.rfc3339)
        #expect(object["level"] == "warning")
        #expect(object["msg"]?.string == line.message)
        #expect(object["code"] == "reply_lost")
        // The text of a line never depends on the members.
        #expect(String(decoding: line.bytes(.text), as: UTF8.self) == "\(at.rfc3339) WARNING A \"quoted\" word – ü\n")
    }

    @Test func `the format of the settings applies to the next line, and other metadata is in the message`()
        async throws
    {
        let directory = FileManager.default.temporaryDirectory.appending(path: "pollux-log-\(UUID().uuidString)")
        #expect(FileManager.default.createFile(atPath: directory.path, contents: nil))
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = try FileHandle(forWritingTo: directory)
        let format = Reloadable(LogFormat.text)
        let queue = LogQueue(format: format.view(\.self), descriptor: file.fileDescriptor)
        let logger = Logger(label: "test") { _ in LineLogHandler(level: Current(always: .info), to: queue) }
        logger.info("one", metadata: ["task": "t", "other": "x"])
        #expect(await queue.flush(within: .seconds(30)))
        format.replace(with: .json)
        logger.info("two\u{1B}[31m", metadata: ["task": "t", "code": "c", "other": "x"])
        #expect(await queue.flush(within: .seconds(30)))
        let lines = try String(contentsOf: directory, encoding: .utf8).split(separator: "\n")
        try #require(lines.count == 2)
        #expect(lines[0].hasSuffix("INFO one other=x"))
        let object = try #require(JSONValue(parsing: String(lines[1])).object)
        #expect(object.names == ["ts", "level", "msg", "task", "code"])
        #expect(object["msg"] == "two [31m other=x")
    }
}
