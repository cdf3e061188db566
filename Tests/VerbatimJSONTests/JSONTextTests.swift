import Testing
import VerbatimJSON

/// Text is read and written eight bytes at a time, so every relevant byte is tested at every position.
@Suite struct JSONTextTests {
    @Test(arguments: [
        "\"", "\\", "\n", "\t", "\u{0}", "\u{1f}", " ", "!", "#", "[", "]", "\u{7f}", "\u{80}", "é", "€", "😀",
        "\u{ffff}",
    ])
    func `a character survives writing and reading at any position`(character: String) throws {
        for length in 0...20 {
            for place in 0...length {
                let text =
                    String(repeating: "a", count: place) + character + String(repeating: "z", count: length - place)
                let written = JSONValue.string(text).text
                #expect(written == "\"\(text.map(escaped).joined())\"")
                #expect(JSONValue.string(text).utf8 == Array(written.utf8))
                #expect(try JSONValue(parsing: written) == .string(text))
                #expect(try JSONValue(parsing: "[\(written),1]") == [.string(text), 1])
            }
        }
    }

    @Test(arguments: ["\n", "\u{0}", "\u{1f}"])
    func `an unescaped control character is rejected at its position`(character: String) {
        for place in 0...20 {
            let text = "\"" + String(repeating: "a", count: place) + character + "zzzzzzzz\""
            #expect(throws: JSONSyntaxError(problem: "a control character inside a string", offset: place + 1)) {
                try JSONValue(parsing: text)
            }
        }
    }

    @Test(arguments: [0xff, 0xc0, 0x80] as [UInt8])
    func `an invalid UTF-8 byte is rejected or replaced at any position`(byte: UInt8) throws {
        for place in 0...20 {
            let before = Array(repeating: UInt8(ascii: "a"), count: place)
            let bytes = [0x22] + before + [byte] + Array("zzzzzzzz\"".utf8)
            #expect(throws: JSONSyntaxError(problem: "a string that is not UTF-8", offset: 0)) {
                try JSONValue(parsing: bytes)
            }
            let expected = String(repeating: "a", count: place) + "\u{fffd}zzzzzzzz"
            #expect(try JSONValue(parsing: bytes, limits: .lenient) == .string(expected))
        }
    }

    @Test(arguments: [1, 2, 15, 16, 17, 18, 40])
    func `names are distinguished in small and large objects`(count: Int) throws {
        let members = (0..<count).map { "\"name\($0)\":\($0)" }
        let whole = try JSONValue(parsing: "{\(members.joined(separator: ","))}")
        #expect(whole.object?.names == (0..<count).map { "name\($0)" })
        for number in 0..<count {
            #expect(whole["name\(number)"] == .number(JSONNumber(number)))
            let twice = "{\((members + ["\"name\(number)\":true"]).joined(separator: ","))}"
            let place = twice.utf8.count - "\"name\(number)\":true}".utf8.count
            #expect(throws: JSONSyntaxError(problem: "the member \"name\(number)\" occurs twice", offset: place)) {
                try JSONValue(parsing: twice)
            }
            let lenient = try JSONValue(parsing: twice, limits: .lenient)
            #expect(lenient.object?.names == whole.object?.names)
            #expect(lenient["name\(number)"] == true)
        }
    }

    @Test func `a very large document is written completely`() throws {
        let text = "[" + (0..<5_000).map { "{\"n\":\($0),\"t\":\"é\\n\($0)\"}" }.joined(separator: ",") + "]"
        let value = try JSONValue(parsing: text)
        #expect(value.text == text)
        #expect(try JSONValue(parsing: value.prettyText) == value)
        let long = JSONValue.string(String(repeating: "a\"", count: 100_000))
        #expect(try JSONValue(parsing: long.text) == long)
    }

    private func escaped(_ character: Character) -> String {
        switch character {
        case "\"": "\\\""
        case "\\": "\\\\"
        case "\n": "\\n"
        case "\t": "\\t"
        case "\u{0}": "\\u0000"
        case "\u{1f}": "\\u001f"
        default: String(character)
        }
    }
}
