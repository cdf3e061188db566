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
    func `an argument is one escaped path segment`(argument: String, segment: String) {
        #expect(LocalAPIRoute.task.path(argument) == "/v1/tasks/\(segment)")
    }
}
