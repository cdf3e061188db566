import HTTPTypes
import Testing
import VerbatimJSON

@Suite struct JoinRouteTests {
    private func submit(
        _ api: APIHarness, _ request: String, labels: String = #"{"agent":"a"}"#, extra: String = ""
    ) async throws -> (status: Int, id: String) {
        let answer = try await api.ask(
            .post, "/v1/tasks",
            #"{"endpoint":"flux/images","request":\#(request),"labels":\#(labels),"join":true\#(extra)}"#)
        return (answer.status, answer.json["id"]?.string ?? answer.text)
    }

    @Test func `a submission joins an equal one of the same agent, and other members may differ`() async throws {
        try await APIHarness.run { api in
            let first = try await submit(api, #"{"prompt":"x","n":1}"#)
            #expect(first.status == 201)
            for (request, labels, extra) in [
                (#"{"n":1.0,"prompt":"x"}"#, #"{"agent":"a","film":"b"}"#, ""),
                (#"{"prompt":"x","n":1}"#, #"{"agent":"a"}"#, #","note":"again","priority":5"#),
            ] {
                let again = try await submit(api, request, labels: labels, extra: extra)
                #expect(again.status == 200 && again.id == first.id)
            }
            for (request, labels) in [
                (#"{"prompt":"x","n":2}"#, #"{"agent":"a"}"#), (#"{"prompt":"x","n":1}"#, #"{"agent":"b"}"#),
                (#"{"prompt":"x","n":1}"#, "{}"),
            ] {
                #expect(try await submit(api, request, labels: labels).status == 201)
            }
            // Without `join` it is a new task.
            #expect(
                try await api.ask(
                    .post, "/v1/tasks",
                    #"{"endpoint":"flux/images","request":{"prompt":"x","n":1},"labels":{"agent":"a"},"join":false}"#
                ).status == 201)
        }
    }

    @Test func `a collected end is joined no more`() async throws {
        try await APIHarness.run { api in
            let first = try await submit(api, #"{"prompt":"x"}"#)
            #expect(try await api.ask(.post, "/v1/tasks/\(first.id)/collect").json["state"] == "queued")
            try await api.ask(.post, "/v1/tasks/\(first.id)/cancel")
            #expect(try await submit(api, #"{"prompt":"x"}"#).id == first.id)
            #expect(try await api.ask(.post, "/v1/tasks/\(first.id)/collect").json["state"] == "cancelled")
            #expect(try await submit(api, #"{"prompt":"x"}"#).status == 201)
            #expect(try await api.ask(.post, "/v1/tasks/01a20915/collect").problemCode == "task_not_found")
        }
    }
}
