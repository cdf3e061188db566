import Testing
import Text

@Suite struct NearestNameTests {
    @Test(
        arguments: [
            ("dedline", "deadline"), ("labesl", "labels"), ("Priority", "priority"), ("xyz", nil), ("", nil),
        ] as [(String, String?)])
    func `only a name that is near enough is suggested`(name: String, nearest: String?) {
        #expect(NearestName.of(name, among: ["endpoint", "labels", "priority", "deadline"]) == nearest)
    }

    @Test(arguments: [("a", "b", 1), ("", "abc", 3), ("ab", "ba", 1), ("kitten", "sitting", 3), ("ABC", "abc", 0)])
    func `insertions, deletions, substitutions and swaps cost one each`(left: String, right: String, edits: Int) {
        #expect(NearestName.distance(left, right) == edits)
        #expect(NearestName.distance(right, left) == edits)
    }

    @Test func `a very long text has no nearest name`() {
        #expect(NearestName.of(String(repeating: "a", count: 100_000), among: ["endpoint", "aaaa"]) == nil)
    }
}
