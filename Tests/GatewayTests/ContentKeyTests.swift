import Testing
import VerbatimJSON

@testable import Gateway

@Suite struct ContentKeyTests {
    private func key(
        _ body: String, type: String = "application/json", program: String = "p", method: String = "POST",
        path: String = "/a", query: String = "", headers: [(String, String)] = []
    ) throws -> [UInt8] {
        let body = try #require(PassedBody(Array(body.utf8), contentType: type))
        return ContentKey.digest(
            program: program, provider: "x", method: method, path: path, query: query, headers: headers, body: body)
    }

    @Test(arguments: [
        (#"{"a":1,"b":[true,null]}"#, #"{ "b" : [true, null], "a" : 1.0 }"#),
        (#"{"a":100}"#, #"{"a":1e2}"#), (#"{"a":"é"}"#, #"{"a":"\u00e9"}"#),
    ])
    func `JSON is compared by value`(one: String, other: String) throws {
        #expect(try key(one) == key(other))
    }

    @Test(arguments: [
        (#"{"a":1}"#, #"{"a":"1"}"#), (#"{"a":null}"#, #"{}"#), (#"{"a":[1,2]}"#, #"{"a":[2,1]}"#),
        (#"{"seed":9007199254740993}"#, #"{"seed":9007199254740992}"#),
    ])
    func `JSON that differs in value differs`(one: String, other: String) throws {
        #expect(try key(one) != key(other))
    }

    @Test func `a form is compared by its parts and not by its boundary`() throws {
        func form(_ boundary: String) throws -> [UInt8] {
            try key(
                SubmissionTests.form(boundary: boundary), type: "multipart/form-data; boundary=\"\(boundary)\"")
        }
        #expect(try form("XX") == form("----YY7"))
        let changed = SubmissionTests.form(boundary: "XX").replacing("\u{1}", with: "\u{2}")
        #expect(try form("XX") != key(changed, type: "multipart/form-data; boundary=XX"))
        let renamed = SubmissionTests.form(boundary: "XX").replacing("a.png", with: "b.png")
        #expect(try form("XX") != key(renamed, type: "multipart/form-data; boundary=XX"))
    }

    @Test func `everything else that decides what a request means differs`() throws {
        let body = #"{"a":1}"#
        let keys = try [
            key(body), key(body, program: "q"), key(body, method: "PUT"), key(body, path: "/b"),
            key(body, query: "a=1"), key(body, headers: [("model", "m")]), key(body, headers: [("model", "n")]),
            key(body, path: "/", query: "a"),
        ]
        #expect(Set(keys).count == keys.count)
    }

    @Test func `the members of a form are its texts and descriptions of its files`() throws {
        let body = try #require(
            PassedBody(
                Array(SubmissionTests.form(boundary: "XX").utf8), contentType: "multipart/form-data; boundary=XX"))
        #expect(body.fields["prompt"] == "a cat")
        #expect(body.fields["picture"]?["file_name"] == "a.png")
        #expect(body.fields["picture"]?["content_type"] == "image/png")
        #expect(body.fields["picture"]?["size_bytes"] == 5)
        #expect(!body.isJSON)
    }

    @Test(arguments: [
        ("[1]", "application/json"), ("{", "application/json"), (#"{"a":1,"a":2}"#, "application/json"),
        ("--YY\r\n\r\n", "multipart/form-data; boundary=XX"), ("--XX--", "multipart/form-data"),
        ("--XX\r\nno head", "multipart/form-data; boundary=XX"),
    ])
    func `a body that is neither an object nor a form is not understood`(body: String, type: String) {
        if PassedBody(Array(body.utf8), contentType: type) != nil { Issue.record("it was read") }
    }
}
