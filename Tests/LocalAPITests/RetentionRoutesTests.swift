import HTTPTypes
import TaskModel
import Testing
import VerbatimJSON

@Suite struct RetentionRoutesTests {
    @Test func `every route shows a deleted task as removed`() async throws {
        try await APIHarness.run { api in
            let id = try await api.submit("private", extra: #","idempotency_key":"k","note":"private""#)
            let open = try await api.ask(.post, "/v1/tasks/\(id)/delete")
            #expect(open.status == 409 && open.problemCode == "not_ended", "\(open.text)")
            try await api.ask(.post, "/v1/tasks/\(id)/cancel")
            let pinned = try await api.ask(.post, "/v1/tasks/\(id)/pin")
            #expect(pinned.status == 200 && pinned.json["pinned"] == true)
            #expect(try await api.ask(.post, "/v1/tasks/\(id)/delete").problemCode == "pinned")
            #expect(try await api.ask(.post, "/v1/tasks/\(id)/unpin").json["pinned"] == false)
            let deleted = try await api.ask(.post, "/v1/tasks/\(id)/delete")
            #expect(deleted.status == 200, "\(deleted.text)")
            let removed: JSONValue = [
                "at": .string(APIHarness.start.rfc3339), "request": true, "response": true, "events": true,
            ]
            let shown = try await api.ask(.get, "/v1/tasks/\(id)")
            for task in [deleted.json, shown.json] {
                #expect(task["removed"] == removed && task["request"] == .null && task["note"] == .null)
                #expect(task["state"] == "cancelled")
            }
            #expect(!shown.text.contains("private"))
            let events = try await api.ask(.get, "/v1/tasks/\(id)/events")
            #expect(events.json == ["events": [], "removed_at": .string(APIHarness.start.rfc3339)])
            let again = try await api.ask(
                .post, "/v1/tasks",
                #"{"endpoint":"flux/images","request":{"prompt":"private"},"idempotency_key":"k"}"#)
            #expect(again.status == 200 && again.json["id"]?.string == id)
            let page = try await api.ask(.get, "/v1/tasks")
            #expect(page.json["tasks"]?.array?.first?["removed"] == removed)
        }
    }

    @Test func `prune without a retention setting reports that none is configured`() async throws {
        try await APIHarness.run { api in
            let answer = try await api.ask(.post, "/v1/prune", #"{"dry_run":true}"#)
            #expect(answer.status == 200 && answer.json["configured"] == false, "\(answer.text)")
            #expect(try await api.ask(.post, "/v1/prune", #"{"dry":true}"#).problemCode == "unknown_field")
        }
    }

    @Test(arguments: ["pin", "unpin", "delete"])
    func `an unknown task is not found`(action: String) async throws {
        try await APIHarness.run { api in
            let answer = try await api.ask(.post, "/v1/tasks/01a20915/\(action)")
            #expect(answer.status == 404 && answer.problemCode == "task_not_found", "\(answer.text)")
        }
    }
}
