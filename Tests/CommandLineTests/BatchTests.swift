import Foundation
import Testing

@testable import pollux

@Suite struct BatchTests {
    @Test func `replies come out in the order of their lines`() {
        var replies = OrderedReplies<String>()
        #expect(replies.take("c", turn: 2) == [])
        #expect(replies.take("a", turn: 0) == ["a"])
        #expect(replies.take("b", turn: 1) == ["b", "c"])
        #expect(replies.take("d", turn: 3) == ["d"])
    }

    @Test(
        arguments: [
            ("", []), ("a", ["a"]), ("a\n", ["a"]), ("a\n\nb", ["a", "", "b"]), ("\n", [""]),
            ("a\r\nb\n", ["a\r", "b"]),
        ] as [(String, [String])])
    func `lines are read with or without a last line break`(text: String, lines: [String]) throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "pollux-\(UUID().uuidString)")
        try Data(text.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        var reader = try LineReader(path: file.path)
        var read: [String] = []
        while let line = reader.next() {
            read.append(String(decoding: line.bytes, as: UTF8.self))
            #expect(line.number == read.count)
        }
        #expect(read == lines)
    }

    @Test func `a line longer than the buffer is whole`() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "pollux-\(UUID().uuidString)")
        let long = String(repeating: "x", count: 200_000)
        try Data("\(long)\nend\n".utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        var reader = try LineReader(path: file.path)
        #expect(reader.next()?.bytes.count == 200_000)
        #expect(reader.next()?.bytes == Array("end".utf8))
        #expect(reader.next()?.bytes == nil)
    }

    @Test func `a file that is not there is refused input`() {
        #expect(throws: RefusedInput.self) { try LineReader(path: "/nowhere/at/all") }
    }
}
