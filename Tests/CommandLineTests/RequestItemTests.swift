import ArgumentParser
import Testing
import VerbatimJSON

@testable import pollux

@Suite struct RequestItemTests {
    @Test(arguments: [
        ("prompt=hi", "prompt", #""hi""#), ("n:=4", "n", "4"), ("x:=[1, 2]", "x", "[1,2]"),
        ("seed:=12345678901234567890", "seed", "12345678901234567890"), ("cfg:=1.0", "cfg", "1.0"),
        ("on:=true", "on", "true"), ("none:=null", "none", "null"), ("s:=\"4\"", "s", #""4""#),
        ("empty=", "empty", #""""#), ("a=b=c", "a", #""b=c""#), ("a=b:=c", "a", #""b:=c""#), ("n=4", "n", #""4""#),
        ("url=https://x/?a=1", "url", #""https://x/?a=1""#), ("a:b=c", "a:b", #""c""#), ("é=ü", "é", #""ü""#),
        ("style preset=noir", "style preset", #""noir""#), ("text=-1", "text", #""-1""#),
    ])
    func `name=value gives a string and name:=value gives raw JSON`(text: String, name: String, json: String) throws {
        let item = try RequestItem(text)
        #expect(item.name == name)
        #expect(item.value.text == json)
    }

    @Test func `an invalid item is rejected, and the error shows the correct form`() {
        #expect(throws: RequestItem.ItemError.noSeparator("prompt")) { try RequestItem("prompt") }
        #expect(throws: RequestItem.ItemError.noName("=x")) { try RequestItem("=x") }
        #expect(throws: RequestItem.ItemError.noName(":=1")) { try RequestItem(":=1") }
        let error = #expect(throws: RequestItem.ItemError.self) { try RequestItem("n:=four") }
        #expect(error?.description.contains("-d 'n=four'") == true)
    }

    @Test func `items override members of the body and keep their position`() throws {
        let body = JSONObject([("prompt", "a"), ("n", 1)])
        let merged = try RequestItem.merge([RequestItem("prompt=b"), RequestItem("z:=2")], into: body)
        #expect(JSONValue.object(merged).text == #"{"prompt":"b","n":1,"z":2}"#)
    }

    @Test func `a repeated name is rejected`() {
        #expect(throws: ValidationError.self) {
            try RequestItem.merge([RequestItem("a=1"), RequestItem("a=2")], into: JSONObject())
        }
    }
}
