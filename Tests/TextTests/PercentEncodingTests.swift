import Testing
import Text

@Suite struct PercentEncodingTests {
    @Test(arguments: [
        ("../x?y#z", "..%2Fx%3Fy%23z"), ("..", "%2E%2E"), (".", "%2E"), ("a b", "a%20b"), ("é", "%C3%A9"),
        ("%41", "%2541"), ("v1.5-a_b~", "v1.5-a_b~"), ("\n", "%0A"), ("", ""),
    ])
    func `a path segment is escaped and decoded unchanged`(text: String, segment: String) {
        #expect(text.percentEncodedSegment == segment)
        #expect(segment.percentDecoded == text)
    }

    @Test func `a query value keeps dots and the requested characters`() {
        #expect("..".percentEncoded() == "..")
        #expect("a:b/c&d".percentEncoded(keeping: ":/") == "a:b/c%26d")
        #expect("a:b/c&d".percentEncoded() == "a%3Ab%2Fc%26d")
    }

    @Test(arguments: ["%", "%4", "%zz", "%+1", "%FF", "a%C3"])
    func `a malformed escape is not decoded`(text: String) {
        #expect(text.percentDecoded == nil)
    }
}
