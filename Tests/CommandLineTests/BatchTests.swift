import Foundation
import Glibc
import LocalAPIContract
import Testing
import VerbatimJSON

@testable import pollux

@Suite struct BatchTests {
    @Test(
        arguments: [
            ("", []), ("a", ["a"]), ("a\n", ["a"]), ("a\n\nb", ["a", "", "b"]), ("\n", [""]),
            ("a\r\nb\n", ["a\r", "b"]), ("\u{feff}a\nb\n", ["a", "b"]), ("\u{feff}", []), ("\u{feff}\n", [""]),
            ("a\n\u{feff}b", ["a", "\u{feff}b"]),
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

    @Test func `a line longer than the buffer is read whole`() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "pollux-\(UUID().uuidString)")
        let long = String(repeating: "x", count: 200_000)
        try Data("\(long)\nend\n".utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        var reader = try LineReader(path: file.path)
        #expect(reader.next()?.bytes.count == 200_000)
        #expect(reader.next()?.bytes == Array("end".utf8))
        #expect(reader.next()?.bytes == nil)
    }

    @Test func `available lines are returned at once, and only the first line is waited for`() throws {
        var ends: [CInt] = [0, 0]
        #expect(pipe(&ends) == 0)
        let writer = FileHandle(fileDescriptor: ends[1], closeOnDealloc: true)
        var reader = try LineReader(path: "/dev/fd/\(ends[0])")
        close(ends[0])
        func next(_ most: Int = 10, bytes: Int = 1_000) -> [String] {
            reader.nextLines(atMost: most, bytes: bytes).map { String(decoding: $0.bytes, as: UTF8.self) }
        }
        try writer.write(contentsOf: Data("one\ntwo\nthr".utf8))
        #expect(next() == ["one", "two"])
        try writer.write(contentsOf: Data("ee\nfour\nfive\n".utf8))
        #expect(next(2) == ["three", "four"])
        try writer.write(contentsOf: Data("a long line\nsix\n".utf8))
        #expect(next(bytes: 5) == ["five", "a long line"])
        try writer.write(contentsOf: Data("seven".utf8))
        try writer.close()
        #expect(next() == ["six", "seven"])
        #expect(next() == [])
        try reader.checkEnd()
    }

    @Test func `lines refused by the client are reported in their place and not sent`() throws {
        let good = #"{"endpoint":"flux/images","request":{}}"#
        let lines = ["{", good, #"{"endpoint":"x"}"#, good].enumerated().map {
            LineReader.Line(number: $0.offset + 1, bytes: Array($0.element.utf8))
        }
        var part = BatchPart(
            lines, document: { try SubmitDocument(json: JSONValue(parsing: $0.bytes)) }, asJSON: false)
        #expect(part.documents.count == 2)
        #expect(!part.hasRefusals)
        try part.printRefused()
        #expect(part.hasRefusals && part.failure == nil)
        let full = ProblemDocument(status: 507, code: "storage_full", title: "t", detail: "The disk is full.")
        try part.print(.problem(full), full.json)
        #expect(part.failure == full)
    }

    @Test func `a directory cannot be read as a batch file`() throws {
        var reader = try LineReader(path: "/tmp")
        #expect(reader.next()?.bytes == nil)
        #expect(throws: RefusedInput.self) { try reader.checkEnd() }
    }

    @Test func `a missing file is rejected input`() {
        #expect(throws: RefusedInput.self) { try LineReader(path: "/nowhere/at/all") }
    }
}
