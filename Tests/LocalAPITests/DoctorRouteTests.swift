import HTTPTypes
import Testing
import VerbatimJSON

@Suite struct DoctorRouteTests {
    @Test func `the checks are shown with the number of troubles`() async throws {
        try await APIHarness.run { api in
            let answer = try await api.ask(.post, "/v1/doctor")
            #expect(answer.status == 200, "\(answer.text)")
            #expect(
                answer.json == [
                    "troubles": 1,
                    "checks": [
                        ["check": "disk", "subject": "/state", "result": "trouble", "message": "It is full."],
                        ["check": "clock", "subject": nil, "result": "ok", "message": "It is right."],
                    ],
                ])
            #expect(try await api.ask(.post, "/v1/doctor?x=1").status == 400)
            #expect(try await api.ask(.get, "/v1/doctor").status == 405)
        }
    }
}
