import HTTPTesting
import TaskEngine
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import Dashboard

@Suite(.timeLimit(.minutes(2))) struct ActionTests {
    /// The whole log: kind, task and `by` of each line.
    private func log(_ dashboard: DashboardHarness) async throws -> [(kind: String, task: TaskID?, detail: JSONValue)] {
        try await dashboard.world.sqlite.log.read(after: 0, limit: 100).compactMap { line in
            switch line {
            case .task(let event): (event.entry.kind, event.task, .object(event.entry.detail))
            case .daemon(let event, _): (event.kind, nil, .object(event.detail))
            case .pruned: nil
            }
        }
    }

    @Test func `what is done to a task names the dashboard in its log, and what follows does not`() async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let token = try dashboard.token()
            let reply = try await dashboard.ask(
                "POST", "/v1/tasks", #"{"endpoint":"image/make","request":{"prompt":"x"}}"#, token: token)
            let id = try #require(reply.json["id"]?.string.flatMap { TaskID($0) })
            dashboard.world.provider.enqueue(.accepted("r-1"))
            _ = try await dashboard.world.engine.submitter.step()
            #expect(try await dashboard.ask("POST", "/v1/tasks/\(id.text)/cancel", token: token).status == 200)
            let events = try await dashboard.world.sqlite.events(of: id, after: 0, limit: 10).map(\.entry)
            #expect(events.map(\.kind).first == "created" && events.map(\.kind).last == "cancelled")
            #expect(events.count >= 3)
            for event in events {
                let isAction = ["created", "cancelled"].contains(event.kind)
                #expect(event.detail["by"] == (isAction ? "dashboard" : nil), "\(event.kind)")
            }
            // The same through the socket names nobody.
            let other = try await dashboard.world.submit()
            _ = try await dashboard.world.service.cancel(other)
            for event in try await dashboard.world.sqlite.events(of: other, after: 0, limit: 10) {
                #expect(event.entry.detail["by"] == nil)
            }
        }
    }

    @Test func `many submissions at once name the dashboard too`() async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let line = #"{"endpoint":"image/make","request":{"prompt":"x"}}"# + "\n"
            let reply = try await dashboard.ask(
                "POST", "/v1/tasks", line + line, token: try dashboard.token(), type: "application/x-ndjson")
            #expect(reply.status == 200, "\(reply.text)")
            let lines = try await log(dashboard)
            #expect(lines.filter { $0.kind == "created" }.map { $0.detail["by"] } == ["dashboard", "dashboard"])
        }
    }

    @Test func `an action that changes no task leaves a line of its own, once it is done`() async throws {
        try await DashboardHarness.run { (dashboard: DashboardHarness) async throws in
            let token = try dashboard.token()
            let path = "/v1/endpoints/image/make/pause"
            #expect(try await dashboard.ask("POST", path, token: token).status == 200)
            let id = try await dashboard.taskWithFile("x", mediaType: "image/png")
            #expect(try await dashboard.ask("POST", "/v1/tasks/\(id.text)/pin", token: token).status == 200)
            // Refused ones, checks and what only reads leave none.
            #expect(try await dashboard.ask("POST", "/v1/endpoints/no/such/pause", token: token).status == 404)
            #expect(try await dashboard.ask("POST", "/v1/tasks/\(id.text)/cancel", token: token).status == 409)
            #expect(try await dashboard.ask("POST", "/v1/doctor", token: token).status == 200)
            #expect(try await dashboard.ask("GET", "/v1/endpoints", token: token).status == 200)
            var actions = try await log(dashboard).filter { $0.kind == "action" }
            #expect(actions.map { $0.detail["path"]?.string } == [path, "/v1/tasks/\(id.text)/pin"])
            #expect(actions.map(\.task) == [nil, id])
            #expect(actions.allSatisfy { $0.detail["by"] == "dashboard" && $0.detail["method"] == "POST" })
            // With its details a task loses its log, so the line about that is one about the daemon.
            #expect(try await dashboard.ask("POST", "/v1/tasks/\(id.text)/unpin", token: token).status == 200)
            #expect(try await dashboard.ask("POST", "/v1/tasks/\(id.text)/delete", token: token).status == 200)
            actions = try await log(dashboard).filter { $0.kind == "action" }
            #expect(actions.map { $0.detail["path"]?.string } == [path, "/v1/tasks/\(id.text)/delete"])
            #expect(actions.map(\.task) == [nil, nil])
        }
    }
}
