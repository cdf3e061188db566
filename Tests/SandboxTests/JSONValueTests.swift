import Foundation
import Testing

@testable import Sandbox

@Suite struct JSONValueTests {
    @Test(arguments: [
        #"{"b":1.0,"a":[1e5,-0,12345678901234567890],"b":null}"#, #"["\"\\\n",true,false,{}]"#, #""žluťoučký 🐈""#, "[]",
    ])
    func `member order and number format are kept`(text: String) throws {
        #expect(try JSONParser.parse(Array(text.utf8)).text == text)
    }

    @Test func `escapes become the characters they stand for`() throws {
        let value = try JSONParser.parse(Array(#""\u0041\ud83d\udc08\/\b\u0007""#.utf8))
        #expect(value == .string("A🐈/\u{8}\u{7}"))
        #expect(value.text == #""A🐈/\u0008\u0007""#)
    }

    @Test(arguments: [
        "", "{", "[1,]", "{\"a\"}", "01", "1.", "+1", "nul", "\"\u{1}\"", "\"\\x\"", "\"\\ud83d\"", "[1] 2", "{'a':1}",
        "NaN",
        "\"open", "-",
    ])
    func `invalid JSON is rejected`(text: String) {
        #expect(throws: JSONParseError.self) { try JSONParser.parse(Array(text.utf8)) }
    }

    @Test func `deep nesting is rejected before it exhausts the stack`() {
        let text = String(repeating: "[", count: 100_000)
        #expect(throws: JSONParseError.self) { try JSONParser.parse(Array(text.utf8)) }
    }

    @Test func `every documented example reads as Foundation reads it`() throws {
        for name in try Fixtures.names {
            let ours = try JSONSerialization.jsonObject(
                with: Data(try Fixtures.json(name).utf8Text), options: [.fragmentsAllowed])
            let theirs = try JSONSerialization.jsonObject(
                with: Data(contentsOf: Fixtures.folder.appending(path: "\(name).json")))
            #expect((ours as? NSObject) == (theirs as? NSObject), "\(name)")
        }
    }

    @Test func `equal requests are canonically equal whatever their order`() throws {
        let one = try JSONParser.parse(Array(#"{"a":1,"b":{"d":2,"c":3}}"#.utf8))
        let two = try JSONParser.parse(Array(#"{"b":{"c":3,"d":2},"a":1}"#.utf8))
        #expect(one.canonical == two.canonical)
    }
}
