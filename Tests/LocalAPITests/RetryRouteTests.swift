import HTTPTypes
import LocalAPI
import LocalAPIContract
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@Suite struct RetryRouteTests {
    /// Returns a cancelled task.
    private func cancelled(_ api: APIHarness, extra: String = "") async throws -> String {
        let id = try await api.submit("1", extra: extra)
        #expect(try await api.ask(.post, "/v1/tasks/\(id)/cancel").json["state"] == "cancelled")
        return id
    }

    @Test func `a retry is a new task with the old request, and repeating it returns the same one`() async throws {
        try await APIHarness.run { api in
            let old = try await cancelled(
                api,
                extra:
                    #","labels":{"a":"b"},"priority":7,"on_uncertain":"fail","note":"n","capture":false,"deadline":"+1h","idempotency_key":"k""#
            )
            let first = try await api.ask(.post, "/v1/tasks/\(old)/retry")
            #expect(first.status == 201, "\(first.text)")
            let before = try await api.ask(.get, "/v1/tasks/\(old)").json
            #expect(before["state"] == "cancelled" && before["capture"] == false)
            for member in ["endpoint", "request", "labels", "priority", "on_uncertain", "note", "capture"] {
                #expect(first.json[member] == before[member], "\(member)")
            }
            #expect(first.json["retry_of"]?.string == old && before["retry_of"] == .null)
            #expect(first.json["state"] == "queued" && first.json["deadline"] == .null)
            let again = try await api.ask(.post, "/v1/tasks/\(old.prefix(20))/retry?number=1")
            #expect(again.status == 200 && again.json == first.json)
            let second = try await api.ask(.post, "/v1/tasks/\(old)/retry?number=2")
            #expect(second.status == 201 && second.json["id"] != first.json["id"])
            let log = try await api.ask(.get, "/v1/tasks/\(first.json["id"]?.string ?? "")/events").json
            #expect(log["events"]?.array?.first?["detail"]?["retry_of"]?.string == old)
        }
    }

    @Test func `a retry uses the idempotency key retry/ID/NUMBER`() async throws {
        try await APIHarness.run { api in
            let old = try await cancelled(api)
            let retry = try await api.ask(.post, "/v1/tasks/\(old)/retry?number=3")
            let same = try await api.ask(
                .post, "/v1/tasks",
                #"{"endpoint":"flux/images","request":{"prompt":"1"},"idempotency_key":"retry/\#(old)/3","on_uncertain":"hold"}"#
            )
            #expect(same.status == 200 && same.json["id"] == retry.json["id"], "\(same.text)")
        }
    }

    @Test func `a list can be filtered by whether tasks were retried`() async throws {
        try await APIHarness.run { api in
            let (old, other) = (try await cancelled(api), try await cancelled(api))
            _ = try await api.ask(.post, "/v1/tasks/\(old)/retry")
            func ids(_ query: String) async throws -> [String?] {
                try await api.ask(.get, "/v1/tasks?state=cancelled\(query)").json["tasks"]?.array?.map {
                    $0["id"]?.string
                } ?? []
            }
            #expect(try await ids("&retried=false") == [other])
            #expect(try await ids("&retried=true") == [old])
            #expect(try await ids("") == [other, old])
            #expect(try await api.ask(.get, "/v1/tasks?retried=maybe").problemCode == "invalid_parameter")
        }
    }

    @Test func `a retry of a task that is open, uncertain, lost or without a request is refused`() async throws {
        try await APIHarness.run { api in
            let open = try await api.submit("1")
            #expect(try await api.ask(.post, "/v1/tasks/\(open)/retry").problemCode == "not_ended")
            let adopted = try await api.ask(
                .post, "/v1/tasks/adopt", #"{"endpoint":"suno/audios","remote_id":"r"}"#)
            let id = try #require(adopted.json["id"]?.string)
            _ = try await api.ask(.post, "/v1/tasks/\(id)/cancel")
            #expect(try await api.ask(.post, "/v1/tasks/\(id)/retry").problemCode == "request_unknown")
            #expect(try await api.ask(.post, "/v1/tasks/\(open)/retry?number=0").problemCode == "invalid_parameter")

            let task = try #require(TaskID(open))
            let now = APIHarness.start
            _ = try await api.store.apply(.submissionStarted(), to: task, under: .testing, at: now, nextDueAt: now)
            _ = try await api.store.apply(
                .submissionInterrupted(TaskFailure(code: "reply_lost", message: "Lost."), isProbablyRefused: false),
                to: task, at: now, nextDueAt: now)
            let uncertain = try await api.ask(.post, "/v1/tasks/\(open)/retry")
            #expect(uncertain.status == 409 && uncertain.problemCode == "needs_resolution", "\(uncertain.text)")
            #expect(uncertain.json["detail"]?.string?.contains("pollux resolve") == true)
            _ = try await api.ask(.post, "/v1/tasks/\(open)/resolve", #"{"as":"give_up"}"#)
            let lost = try await api.ask(.post, "/v1/tasks/\(open)/retry")
            #expect(lost.status == 409 && lost.problemCode == "submission_lost", "\(lost.text)")
            #expect(lost.json["detail"]?.string?.contains("pollux resolve") == true)
            #expect(try await api.ask(.get, "/v1/tasks").json["tasks"]?.array?.count == 2)
        }
    }
}
