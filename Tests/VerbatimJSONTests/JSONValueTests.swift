import Testing
import VerbatimJSON

@Suite struct JSONValueTests {
    @Test func `order, number format and added nulls do not change a document's value`() throws {
        let sent = try JSONValue(parsing: #"{"prompt":"x","n":1,"tags":["a",{"b":2.0}],"seed":null}"#)
        let echo = try JSONValue(parsing: #"{"n":1.0,"tags":["a",{"b":2}],"prompt":"x","negative":null}"#)
        #expect(sent.isEquivalent(to: echo))
        #expect(echo.isEquivalent(to: sent))
    }

    @Test(arguments: [
        #"{"prompt":"y"}"#, #"{"prompt":"x","n":2}"#, #"{"prompt":["x"]}"#, "[]", "null", #"{"prompt":"x","n":"1"}"#,
    ])
    func `other differences change a document's value`(other: String) throws {
        #expect(try !JSONValue(parsing: #"{"prompt":"x","n":1}"#).isEquivalent(to: JSONValue(parsing: other)))
    }

    @Test func `integers too large for a double are distinguished`() throws {
        let left = try JSONValue(parsing: "9007199254740993")
        #expect(try !left.isEquivalent(to: JSONValue(parsing: "9007199254740992")))
    }

    @Test func `a pointer continues into a string that contains a document`() throws {
        let value: JSONValue = [
            "json": #" {"urls":["a","{\"deep\":1}"]}"#, "text": "{no document", "word": "urls", "list": ["[7]"],
        ]
        func located(_ pointer: String) throws -> [JSONValue.Located] {
            value.located(at: try #require(JSONPointer(pointer)))
        }
        #expect(try located("/json/urls/*").map(\.path) == [["json", "urls", "0"], ["json", "urls", "1"]])
        #expect(try located("/json/urls/1/deep").map(\.value) == [1])
        #expect(try located("/list/0/0").map(\.value) == [7])
        #expect(try located("/text/no").isEmpty && located("/word/urls").isEmpty && located("/json/other").isEmpty)
        #expect(try located("/json").map(\.value) == [try #require(value["json"])])
    }

    @Test func `a pointer with a condition matches the elements that have the text`() throws {
        let value = try JSONValue(
            parsing:
                #"{"steps": [{"type": "a", "text": "x"}, {"type": "b", "text": "y"}, 7, {"type": 5}, {"type": "b"}]}"#)
        let pointer = try #require(JSONPointer("/steps/*[type=b]/text"))
        #expect(value.located(at: pointer).map(\.path) == [["steps", "1", "text"]])
        #expect(value.values(at: try #require(JSONPointer("/steps/*[type=b]"))).count == 2)
        #expect(value.values(at: try #require(JSONPointer("/steps/*[type=5]"))).isEmpty)
        #expect(pointer.matchesSeveral && pointer.brokenCondition == nil)
        for broken in ["*[type]", "*[=b]", "*[type=b"] {
            #expect(try #require(JSONPointer("/steps/\(broken)")).brokenCondition == broken)
        }
    }

    @Test func `a pointer with a star matches every element`() throws {
        let value = try JSONValue(parsing: #"{"data":[{"url":"a"},{"no":0},{"url":"b"}],"a/b":{"~":1}}"#)
        let pointer = try #require(JSONPointer("/data/*/url"))
        #expect(value.values(at: pointer) == ["a", "b"])
        #expect(value.value(at: try #require(JSONPointer("/data/2/url"))) == "b")
        #expect(value.value(at: try #require(JSONPointer("/a~1b/~0"))) == 1)
        #expect(value.value(at: try #require(JSONPointer("/data/9/url"))) == nil)
        #expect(JSONPointer("data") == nil)
        #expect(pointer.description == "/data/*/url")
    }

    @Test func `setting a member keeps the order and nil removes it`() {
        var object = JSONObject([("a", 1), ("b", 2), ("a", 3)])
        #expect(JSONValue.object(object).text == #"{"a":3,"b":2}"#)
        object["c"] = "x"
        object["a"] = nil
        #expect(JSONValue.object(object).prettyText == "{\n  \"b\": 2,\n  \"c\": \"x\"\n}")
    }

    @Test func `a long document is detected by its texts, its numbers or its element count`() {
        let most = JSONValue.handledAtOnce
        #expect(!JSONValue.string(String(repeating: "a", count: most / 2)).isLong)
        #expect(JSONValue.string(String(repeating: "a", count: most + 1)).isLong)
        #expect(JSONValue.object(JSONObject([(String(repeating: "n", count: most + 1), .null)])).isLong)
        #expect(!JSONValue.array(Array(repeating: [], count: most / 8)).isLong)
        #expect(JSONValue.array(Array(repeating: [], count: most / 2)).isLong)
        #expect(JSONValue.array(Array(repeating: 123_456_789, count: most / 8)).isLong)
        #expect(!JSONValue.null.isLong)
    }

    @Test(arguments: [
        ("1", ["1.0", "1e0", "10e-1", "0.1E1", "1.000"]), ("0", ["-0", "0.00", "0e5", "-0.0e-3"]),
        ("100", ["1e2", "1.00e+2", "100.0"]), ("-0.05", ["-5e-2", "-0.050", "-0.5E-1"]),
        ("12345678901234567890", ["1234567890123456789e1", "12345678901234567890.0"]),
        ("1e400", ["10e399", "1E+400"]),
    ])
    func `a number has one canonical form`(digits: String, others: [String]) throws {
        let canonical = try #require(JSONValue(parsing: digits).number).canonicalDigits
        for other in others {
            #expect(try #require(JSONValue(parsing: other).number).canonicalDigits == canonical, "\(other)")
        }
        // The canonical digits are a number and their own canonical form.
        #expect(try #require(JSONValue(parsing: canonical).number).canonicalDigits == canonical)
    }

    @Test(arguments: [
        ("12345678901234567890", "12345678901234567891"), ("9007199254740993", "9007199254740992.0"),
        ("1e400", "1e401"),
        ("0.1", "0.10000000000000001"), ("1", "-1"), ("10", "1"),
        ("1e99999999999999999999", "2e99999999999999999999"),
    ])
    func `two numbers never share a canonical form`(one: String, other: String) throws {
        #expect(try JSONValue(parsing: one).canonical != JSONValue(parsing: other).canonical)
    }

    @Test func `documents that are equal by value have one canonical form`() throws {
        let one = try JSONValue(parsing: #"{"b":[1.0,{"y":null,"x":2e1}],"a":"1.0"}"#)
        #expect(one.canonical.text == #"{"a":"1.0","b":[1,{"x":20,"y":null}]}"#)
        #expect(try JSONValue(parsing: #"{"b":[1,{"x":20}],"a":"1.0"}"#).canonical != one.canonical)
    }

    @Test func `a byte order mark is skipped only at the beginning`() {
        #expect(Array([0xef, 0xbb, 0xbf, 0x61, 0xef, 0xbb, 0xbf].withoutByteOrderMark) == [0x61, 0xef, 0xbb, 0xbf])
        #expect(Array([0xef, 0xbb].withoutByteOrderMark) == [0xef, 0xbb])
        #expect([UInt8]().withoutByteOrderMark.isEmpty)
    }
}
