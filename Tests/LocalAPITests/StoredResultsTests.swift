import HTTPTypes
import ProviderCatalog
import TaskModel
import TaskStore
import Testing
import VerbatimJSON

@Suite struct StoredResultsTests {
    /// A catalogue with one endpoint whose definition has these result pointers.
    private static func catalog(results: String) throws -> ProviderCatalog {
        try ProviderCatalog(
            definitions: [
                (
                    "own.yaml",
                    """
                    provider: own
                    default: true
                    base_url: http://127.0.0.1:1
                    max_requests_per_second: 2
                    endpoints:
                      films/make:
                        submit: {path: "/make"}
                        accepted: {id: /id}
                        poll: {path: "/films/{id}"}
                        results: \(results)
                        state: [{at: /status, pending: [run], succeeded: [ok], failed: [bad]}]
                    """
                )
            ])
    }

    private static let record: JSONValue = [
        "id": "f-1", "status": "ok", "film": "https://x/film.mp4", "poster": "https://x/poster.jpg",
    ]

    /// Tracks a task and applies a successful record.
    private static func finishedTask(of catalog: ProviderCatalog, through api: APIHarness) async throws -> String {
        let tracked = try await api.ask(
            .post, "/v1/tasks/adopt", #"{"endpoint":"films/make","remote_id":"f-1"}"#)
        let id = try #require(tracked.json["id"]?.string)
        let profile = try #require(EndpointName("films/make").flatMap { catalog.endpoint($0) })
        let reply = UpstreamReply(status: 200, body: record.utf8)
        guard
            case .observed(let seen) = profile.dialect.readLookup(reply, of: try #require(RemoteTaskID("f-1")))
        else { throw Unread() }
        _ = try await api.store.apply(
            .observed(seen), to: try #require(TaskID(id)), at: APIHarness.start, nextDueAt: nil)
        return id
    }

    private struct Unread: Error {}

    @Test func `a definition changed after the outcome does not change the results that routes show`()
        async throws
    {
        let (first, later) = (
            try Self.catalog(results: "[/film]"), try Self.catalog(results: "[/poster, /status]")
        )
        try await APIHarness.run(catalog: first) { api in
            let id = try await Self.finishedTask(of: first, through: api)
            let shown = try await api.ask(.get, "/v1/tasks/\(id)").json["results"]
            #expect(
                shown == [
                    [
                        "kind": "url", "pointer": "/film", "value": "https://x/film.mp4", "media_type": "video/mp4",
                        "size_bytes": .null, "artefact": .null,
                    ]
                ])
            try await APIHarness.run(on: api.store, catalog: later) { again in
                #expect(try await again.ask(.get, "/v1/tasks/\(id)").json["results"] == shown)
                #expect(try await again.ask(.get, "/v1/tasks/\(id)?wait_seconds=9").json["results"] == shown)
                let listed = try await again.ask(.get, "/v1/tasks").json["tasks"]?.array
                #expect(listed?.count == 1 && listed?.first?["results"] == shown)
                let tracked = try await again.ask(
                    .post, "/v1/tasks/adopt", #"{"endpoint":"films/make","remote_id":"f-1"}"#)
                #expect(tracked.status == 200 && tracked.json["results"] == shown)
            }
            // Nor does the removal of the definition.
            try await APIHarness.run(on: api.store, catalog: try .builtIn()) { again in
                let answer = try await again.ask(.get, "/v1/tasks/\(id)")
                #expect(answer.json["results"] == shown)
            }
        }
    }

    @Test func `a success without stored results shows those of its current definition`() async throws {
        let catalog = try Self.catalog(results: "[/poster]")
        try await APIHarness.run(catalog: catalog) { api in
            var task = TrackedTask(
                id: try #require(TaskID("01a20915-0000-7000-8000-000000000001")),
                endpoint: try #require(EndpointName("films/make")), state: .succeeded, createdAt: APIHarness.start,
                remoteID: RemoteTaskID("f-1"))
            task.endedAt = APIHarness.start
            task.nextDueAt = nil
            let payload = TaskPayload(request: .null, response: Self.record)
            _ = try await api.store.insert(NewTask(task: task, payload: payload))
            let results = try await api.ask(.get, "/v1/tasks/\(task.id.text)").json["results"]?.array
            #expect(results?.map { $0["value"] } == ["https://x/poster.jpg"])
        }
    }
}
