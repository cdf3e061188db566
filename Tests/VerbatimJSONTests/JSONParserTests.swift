import Testing
import VerbatimJSON

@Suite struct JSONParserTests {
    @Test(arguments: [
        #"{"seed":12345678901234567890,"cfg":1.0,"steps":1e3,"b":[true,false,null],"a":{}}"#,
        #"["é😀","\\\"\n\u0001/",[],{"z":1,"a":2}]"#,
        "0", "-0.5", #""""#,
    ])
    func `a document is read and written unchanged`(text: String) throws {
        #expect(try JSONValue(parsing: text).text == text)
    }

    @Test(arguments: [
        "", " ", "{", "[1,]", "{\"a\":1,}", "{a:1}", "01", "1.", ".5", "+1", "1e", "nul", "tru", "\"", "\"\\x\"",
        "\"\\u12g4\"", "\"a\nb\"", "[1 2]", "{} {}", "'a'", "NaN", "{\"a\" 1}", "\"\\ud83d\"", "{\"a\":1,\"a\":2}",
        "-", "[", "\"\\u+123\"",
    ])
    func `text that is not JSON is rejected`(text: String) {
        #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: text) }
    }

    @Test func `nesting beyond the limit is an error`() {
        let text = String(repeating: "[", count: 5_000) + String(repeating: "]", count: 5_000)
        #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: text) }
        #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: text, limits: .lenient) }
        let deep = String(repeating: "[", count: 128) + String(repeating: "]", count: 128)
        #expect(throws: Never.self) { try JSONValue(parsing: deep) }
    }

    @Test func `invalid UTF-8 bytes are rejected or replaced`() throws {
        let bytes: [UInt8] = [0x22, 0xff, 0x22]
        #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: bytes) }
        #expect(try JSONValue(parsing: bytes, limits: .lenient) == "\u{fffd}")
    }

    @Test func `a provider's text truncated inside an emoji stays readable`() throws {
        #expect(try JSONValue(parsing: #""la \ud83d""#, limits: .lenient) == "la \u{fffd}")
        #expect(try JSONValue(parsing: #""\ud83dx""#, limits: .lenient) == "\u{fffd}x")
        #expect(try JSONValue(parsing: #""\ud83d\ude00""#) == "😀")
    }

    @Test func `the last value of a repeated name wins`() throws {
        #expect(try JSONValue(parsing: #"{"a":1,"b":2,"a":3}"#, limits: .lenient).text == #"{"a":3,"b":2}"#)
    }

    @Test func `a byte order mark is not part of the document`() throws {
        let mark: [UInt8] = [0xef, 0xbb, 0xbf]
        for limits in [JSONLimits.strict, .lenient] {
            #expect(try JSONValue(parsing: mark + Array(#" {"a":1}"#.utf8), limits: limits) == ["a": 1])
            for text in [
                mark, mark + mark + Array("{}".utf8), Array("{}".utf8) + mark, [0xef, 0xbb] + Array("{}".utf8),
            ] {
                #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: text, limits: limits) }
            }
        }
    }

    @Test(arguments: ["NaN", "Infinity", "-Infinity", "nan", "-nan", "inf", "-inf"])
    func `a non-finite number becomes a string in lenient mode and an error in strict mode`(word: String) throws {
        let text = "{\"a\":\(word),\"b\":[\(word)],\"n\":null,\"i\":-1}"
        let value = try JSONValue(parsing: text, limits: .lenient)
        #expect(value == ["a": .string(word), "b": [.string(word)], "n": nil, "i": -1])
        // The written text is valid JSON.
        #expect(try JSONValue(parsing: value.text) == value)
        #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: text) }
        for broken in ["\(word)x", "\(word)1", "\(word) \(word)"] {
            #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: broken, limits: .lenient) }
        }
    }

    @Test func `an error has its position`() {
        #expect(throws: JSONSyntaxError(problem: "expected a value", offset: 5)) { try JSONValue(parsing: #"{"a":x}"#) }
    }
}
