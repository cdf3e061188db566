import Foundation
import Testing
import VerbatimJSON

@testable import TaskStore

/// Which values of a record are kept in files, and that they come back exactly.
@Suite struct RecordPartTests {
    private static let bytes = (0..<60_001).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    private static let base64 = Data(bytes).base64EncodedString()

    @Test(arguments: ["", "data:image/png;base64,", "data:;base64,", "data:image/svg+xml;charset=\u{E9};base64,"])
    func `base64 with or without the head of a data URL comes back exactly`(prefix: String) throws {
        let split = try #require(RecordPart.split(prefix + Self.base64))
        #expect(split.prefix == prefix && split.bytes == Self.bytes)
        let part = RecordPart(pointer: "", prefix: prefix, sha256: "", size: split.bytes.count)
        #expect(Array(part.text(of: split.bytes).utf8) == Array((prefix + Self.base64).utf8))
        #expect(part.textSize == (prefix + Self.base64).utf8.count)
    }

    @Test(arguments: [0, 1, 2, 3, 4])
    func `every length of padding comes back exactly`(rest: Int) throws {
        let bytes = Array(Self.bytes.prefix(300 + rest))
        #expect(try #require(RecordPart.split(Data(bytes).base64EncodedString())).bytes == bytes)
    }

    @Test(arguments: [
        "lyrics of many lines", "data:text/plain,not base64", "data:image/png;base64,", "data:;base64",
        "data:image/png;base64 ,QUJD", "QUJ", "QUI", "QUI=\n", "QU\nJD", "QUJD ", "QU-_", "QUJ=", "QUI=QUI=", "=",
        "data:a,b;base64,QUJD", "DATA:;base64,QUJD",
    ])
    func `a text that its bytes would not give back exactly stays`(text: String) {
        #expect(RecordPart.split(text) == nil)
    }

    @Test func `a value in any place is found and replaced, and the order stays`() throws {
        let long = String(repeating: "x", count: 11)
        let record: JSONValue = [
            "a": .string(long), "b/c~d": [["": .string(long)], "short"], "*": ["0": .string(long)],
        ]
        let found = record.longStrings(over: 10)
        #expect(found.map { JSONPointer(tokens: $0.path).description } == ["/a", "/b~1c~0d/0/", "/*/0"])
        #expect(found.allSatisfy { $0.text == long })
        var rest = record
        for (path, _) in found { rest = try #require(rest.replacing(path[...], with: "")) }
        #expect(rest.text == #"{"a":"","b/c~d":[{"":""},"short"],"*":{"0":""}}"#)
        for (path, text) in found {
            let pointer = try #require(JSONPointer(JSONPointer(tokens: path).description))
            rest = try #require(rest.replacing(pointer.tokens[...], with: .string(text)))
        }
        #expect(rest.text == record.text)
        #expect(record.replacing(["b/c~d", "2"], with: "") == nil && record.replacing(["a", "b"], with: "") == nil)
        #expect(JSONValue.string(long).longStrings(over: 10).map(\.path) == [[]])
    }
}
