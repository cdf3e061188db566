import LocalAPIContract
import Testing

@Suite struct LocalAPIRouteTests {
    @Test func `placeholders are filled in order`() {
        #expect(LocalAPIRoute.task.path("abc") == "/v1/tasks/abc")
        #expect(LocalAPIRoute.pause.path("suno", "audios") == "/v1/endpoints/suno/audios/pause")
    }

    @Test(arguments: [
        ("../x?y#z", "..%2Fx%3Fy%23z"), ("..", "%2E%2E"), (".", "%2E"), ("a b", "a%20b"), ("é", "%C3%A9"),
        ("%41", "%2541"), ("v1.5-a_b~", "v1.5-a_b~"), ("\n", "%0A"),
    ])
    func `an argument stays one segment`(argument: String, segment: String) {
        #expect(LocalAPIRoute.task.path(argument) == "/v1/tasks/\(segment)")
        #expect(segment.percentDecoded == argument)
    }

    @Test(arguments: ["%", "%4", "%zz", "%+1", "%FF", "a%C3"])
    func `what is no escaped text is not decoded`(segment: String) {
        #expect(segment.percentDecoded == nil)
    }
}

@Suite struct NearestNameTests {
    @Test(
        arguments: [
            ("dedline", "deadline"), ("labesl", "labels"), ("Priority", "priority"), ("xyz", nil), ("", nil),
        ] as [(String, String?)])
    func `only a name that is near enough is suggested`(name: String, nearest: String?) {
        #expect(NearestName.of(name, among: ["endpoint", "labels", "priority", "deadline"]) == nearest)
    }
}
