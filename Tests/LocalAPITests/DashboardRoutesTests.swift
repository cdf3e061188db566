import HTTPTypes
import TaskModel
import Testing
import VerbatimJSON

@Suite struct DashboardRoutesTests {
    @Test func `a login has its address, its kind and its end`() async throws {
        try await APIHarness.run { api in
            for (body, isReadOnly) in [("{}", false), (#"{"read_only":true}"#, true)] {
                let answer = try await api.ask(.post, "/v1/dashboard/logins", body)
                #expect(answer.status == 201)
                #expect(answer.json["url"] == "http://127.0.0.1:8485/#login=code")
                #expect(answer.json["read_only"] == .bool(isReadOnly))
                #expect(answer.json["expires_at"]?.string == (APIHarness.start + .seconds(60)).rfc3339)
            }
            #expect(
                try await api.ask(.post, "/v1/dashboard/logins", #"{"read-only":true}"#).problemCode == "unknown_field")
        }
    }
}
