import ProviderCatalog
import Testing
import VerbatimJSON

@Suite struct SecretRedactorTests {
    private static let secret = #"sk-a/b+c="d\e%f123"#
    private let redactor = SecretRedactor([secret, "fal-0123456789:abcdef", "fal-0123456789"])

    @Test func `a secret is redacted in every encoding`() {
        let percent = Self.secret.utf8.map { byte -> String in
            let digits = String(byte, radix: 16)
            return "%" + (digits.count < 2 ? "0" : "") + digits
        }.joined()
        let spellings = [
            Self.secret, percent, percent.uppercased(),
            Self.secret.replacing("%", with: "%25").replacing("/", with: "%2F").replacing("+", with: "%2b")
                .replacing("\"", with: "%22").replacing("\\", with: "%5C").replacing("=", with: "%3d"),
            Self.secret.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("/", with: "\\/"),
            Self.secret.replacing("\\", with: #"\u005C"#).replacing("\"", with: #"\u0022"#).replacing(
                "+", with: #"\u002b"#),
        ]
        for spelling in spellings {
            #expect(redactor.redacted("bad auth: Bearer \(spelling).") == "bad auth: Bearer (redacted).", "\(spelling)")
        }
        #expect(redactor.redacted("\(Self.secret)\(Self.secret)x") == "(redacted)(redacted)x")
        // Of two secrets with the same beginning the longer one is redacted.
        #expect(redactor.redacted("fal-0123456789:abcdef") == "(redacted)")
    }

    @Test(arguments: [
        "", "sk-a", "sk-a/b+c", "%73%6", "\\", "\\u00", "%", #"sk-a/b+c="d\e%f12"#, "FAL-0123456789:ABCDEF",
        "fal-012345678", "fal-0123456789:abcdeg",
    ])
    func `other texts stay unchanged`(text: String) {
        #expect(redactor.redacted(text) == text)
        #expect(redactor.redacted(body: Array(text.utf8)) == Array(text.utf8))
    }

    @Test func `a text of fewer than 16 characters is not redacted`() {
        #expect(SecretRedactor(["fifteen-letters"]).redacted("fifteen-letters") == "fifteen-letters")
        #expect(SecretRedactor(["sixteen--letters"]).redacted("sixteen--letters") == "(redacted)")
    }

    @Test func `a JSON body stays valid JSON, and only the secret changes`() throws {
        let value: JSONValue = [
            "message": .string("Bearer \(Self.secret)"), "x": .null,
            "nested": [["url": .string("https://x/?key=\(Self.secret)"), "n": 1]],
        ]
        let clean: JSONValue = [
            "message": "Bearer (redacted)", "x": .null, "nested": [["url": "https://x/?key=(redacted)", "n": 1]],
        ]
        #expect(try JSONValue(parsing: redactor.redacted(body: value.utf8)) == clean)
        // Also in member names and numbers.
        let digits = SecretRedactor(["12345678901234567890"])
        #expect(
            String(
                decoding: digits.redacted(body: Array(#"{"12345678901234567890":12345678901234567890,"n":1.50}"#.utf8)),
                as: UTF8.self)
                == #"{"(redacted)":"(redacted)","n":1.50}"#)
    }

    @Test(arguments: [
        ("not-a-secret-but-16", #"{"a":"\not-a-secret-but-16"}"#), ("u0041-is-sixteen", #"{"a":"\u0041-is-sixteen"}"#),
        (#"ends-with-a-slash\"#, #"{"a":"ends-with-a-slash\\","b":"ends-with-a-slash\""}"#),
        (#"""quoted-and-long-enough"#, #"{"a":"\"quoted-and-long-enough"}"#),
    ])
    func `a redacted secret beside an escape leaves the body valid`(secret: String, body: String) throws {
        let redacted = SecretRedactor([secret]).redacted(body: Array(body.utf8))
        let before = try JSONValue(parsing: body, limits: .lenient)
        let after = try JSONValue(parsing: redacted, limits: .lenient)
        #expect(after["a"]?.string == before["a"]?.string?.replacing(secret, with: "(redacted)"))
        #expect(after["b"]?.string == before["b"]?.string?.replacing(secret, with: "(redacted)"))
    }

    @Test func `a body that is not JSON is redacted`() {
        let body = Array("<html>Bearer \(Self.secret)</html>".utf8)
        #expect(String(decoding: redactor.redacted(body: body), as: UTF8.self) == "<html>Bearer (redacted)</html>")
    }

    @Test func `a signed token is redacted to its end`() {
        let redactor = SecretRedactor(tokensBeginningWith: ["eyJhbGciOiJIUzI1NiJ9.eyJpc3Mi"])
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJBSyJ9.c2ln-_bmF0dXJl"
        #expect(redactor.redacted("Bearer \(token), \(token)\"") == "Bearer (redacted), (redacted)\"")
        #expect(redactor.redacted("eyJhbGciOiJIUzI1NiJ9.other") == "eyJhbGciOiJIUzI1NiJ9.other")
    }
}
